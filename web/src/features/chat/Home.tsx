import { Link } from "@tanstack/react-router";

const SUGGESTIONS = [
  "What can you help me with?",
  "Explain a hard idea in simple words",
  "Write a short Python function",
  "Plan a calm weekend",
];

/** The beginning of a conversation. */
export function Home({ noModel, onPick }: { noModel: boolean; onPick: (text: string) => void }) {
  return (
    <div className="home">
      <h1>What is on your mind?</h1>
      {noModel ? (
        <p className="hint">
          There is no model to answer yet. <Link to="/models">See how to add one</Link>
        </p>
      ) : (
        <div className="suggestions">
          {SUGGESTIONS.map((suggestion) => (
            <button key={suggestion} type="button" onClick={() => onPick(suggestion)}>
              {suggestion}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
