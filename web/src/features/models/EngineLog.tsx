import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { LogLine } from "../../api/logs";
import { useConnection } from "../../ui/live";

const LINES = 200;

/** The newest lines that the engine of a model has written. */
export function EngineLog({ name }: { name: string }) {
  const live = useConnection();
  const source = `engine:${name}`;
  const { data, error, isPending } = useQuery({
    queryKey: ["logs:search", { source }],
    queryFn: () => live.ask<{ lines: LogLine[] }>("logs:search", { source, limit: LINES }),
    refetchInterval: 3_000,
  });
  const lines = [...(data?.lines ?? [])].sort((left, right) => (left.at < right.at ? -1 : 1));
  return (
    <section aria-label="Engine log">
      <p className="hint">
        The newest {LINES} lines.{" "}
        <Link to="/logs" search={{ source }}>
          Open them in Logs
        </Link>{" "}
        to search, follow and filter.
      </p>
      {isPending && <p className="hint late">Reading the log…</p>}
      {error && (
        <p role="alert" className="error">
          {error.message}
        </p>
      )}
      {data && lines.length === 0 && (
        <p className="hint">This engine has written nothing yet. Start the model first.</p>
      )}
      {lines.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        <section className="engine-log" aria-label="Lines of the engine" tabIndex={0}>
          {lines.map((line) => (
            <div key={line.id} data-level={line.level}>
              <time dateTime={line.at}>{new Date(line.at).toLocaleTimeString("en", { hour12: false })}</time>{" "}
              {line.message}
            </div>
          ))}
        </section>
      )}
    </section>
  );
}
