import { Link } from "@tanstack/react-router";

const SUGGESTIONS = [
  "What can you help me with?",
  "Explain a hard idea in simple words",
  "Write a short Python function",
  "Plan a calm weekend",
];

/** What the included model can do. */
const DEMO_SUGGESTIONS = ["Who are you?", "What is Corral?", "How do I get a better model?", "What is 7 plus 12?"];

interface Props {
  /** Nothing is suggested, and nothing moves, until it is known what can answer. */
  unknown: boolean;
  noModel: boolean;
  demo: boolean;
  onPick: (text: string) => void;
}

/** The beginning of a conversation. */
export function Home({ unknown, noModel, demo, onPick }: Props) {
  return (
    <div className="home">
      <h1>What is on your mind?</h1>
      {noModel ? (
        <p className="hint">
          There is no model to answer yet. <Link to="/models">See how to add one</Link>
        </p>
      ) : (
        <>
          {demo && (
            <p className="hint">
              Cria answers here, the tiny demo model that comes with Corral.{" "}
              <Link to="/models">Get a better model</Link>
            </p>
          )}
          <div className="suggestions" hidden={unknown}>
            {(demo ? DEMO_SUGGESTIONS : SUGGESTIONS).map((suggestion) => (
              <button key={suggestion} type="button" onClick={() => onPick(suggestion)}>
                {suggestion}
              </button>
            ))}
          </div>
        </>
      )}
    </div>
  );
}
