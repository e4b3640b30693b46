import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { sentence } from "../../api/explain";
import type { Attempt, Trial } from "../../api/routes";
import { whole } from "../../ui/format";
import { useConnection } from "../../ui/live";

const OUTCOMES: Readonly<Record<string, string>> = {
  failed: "failed",
  completed: "answered",
  cancelled: "given up",
};

/** Of the kinds of attempts those that need a word. */
const KINDS: Readonly<Record<string, string>> = {
  retry: "again",
  continuation: "went on with it",
  completion: "nobody: it was whole already",
  mirror: "for comparison",
};

function Attempts({ attempts }: { attempts: readonly Attempt[] }) {
  return (
    <table className="attempts" aria-label="Attempts">
      <thead>
        <tr>
          <th scope="col">Who was asked</th>
          <th scope="col">What came of it</th>
          <th scope="col" className="number">
            First content
          </th>
          <th scope="col" className="number">
            In all
          </th>
        </tr>
      </thead>
      <tbody>
        {attempts.map((one, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the same candidate may be asked twice; the list never changes
          <tr key={at}>
            <th scope="row">
              {one.provider}/{one.model}
              {KINDS[one.kind] && <span className="facts"> {KINDS[one.kind]}</span>}
            </th>
            <td className={one.error ? "error" : undefined}>{one.message || (OUTCOMES[one.outcome] ?? one.outcome)}</td>
            <td className="number">{one.firstContentMs === null ? "" : `${whole(one.firstContentMs)} ms`}</td>
            <td className="number">{one.ms === null ? "" : `${whole(one.ms)} ms`}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Asks a route as it is saved, and shows who was tried. */
export function TryRoute({ name, unsaved }: { name: string; unsaved: boolean }) {
  const live = useConnection();
  const [message, setMessage] = useState("Say hello.");
  const attempt = useMutation({
    mutationFn: () => live.request<Trial>("routes:try", { name, message }, 180_000),
  });
  const trial = attempt.data;
  return (
    <section aria-label="Try it">
      <h2>Try it</h2>
      <form
        className="inline-form try-form"
        onSubmit={(event) => {
          event.preventDefault();
          attempt.mutate();
        }}
      >
        <input
          className="control"
          aria-label="Message"
          maxLength={4_000}
          value={message}
          onChange={(event) => setMessage(event.currentTarget.value)}
        />
        <Button size="xs" variant="default" type="submit" disabled={message.trim() === ""} loading={attempt.isPending}>
          Ask
        </Button>
        <Link to="/playground" search={{ model: name }} className="quiet">
          In the playground
        </Link>
      </form>
      {unsaved && <p className="hint">The route is asked as it was saved last.</p>}
      {attempt.error && (
        <p role="alert" className="error">
          {sentence(attempt.error)}
        </p>
      )}
      {trial && !attempt.isPending && (
        <div role="status">
          {trial.error && <p className="error">{sentence(trial.error)}</p>}
          {trial.text !== "" && <p className="trial-text">{trial.text}</p>}
          {trial.ok && (
            <p className="hint">
              by {trial.provider}/{trial.model}
              {trial.ms !== null && ` in ${whole(trial.ms)} ms`}
            </p>
          )}
          {trial.attempts.length > 0 && <Attempts attempts={trial.attempts} />}
        </div>
      )}
    </section>
  );
}
