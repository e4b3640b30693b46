import { Link } from "@tanstack/react-router";
import type { LogLine } from "../../api/logs";
import { ago } from "../../ui/format";
import { useAsked } from "../../ui/live";

const SHOWN = 5;
const RECENT = 86_400_000;

/** What went wrong in the last day, the newest first. */
export function Problems() {
  const { data } = useAsked<{ lines: LogLine[] }>("logs:search", { level: "error", limit: SHOWN });
  const now = new Date();
  const lines = (data?.lines ?? []).filter(({ at }) => now.getTime() - new Date(at).getTime() < RECENT);
  lines.sort((a, b) => b.at.localeCompare(a.at));
  if (!data) return null;
  return (
    <section aria-labelledby="problems-title">
      <header className="part-head">
        <h2 id="problems-title" className="part">
          Recent problems
        </h2>
        {lines.length > 0 && (
          <Link to="/logs" search={{ level: "error" }} className="more">
            All errors
          </Link>
        )}
      </header>
      {lines.length === 0 ? (
        <p className="hint">Nothing has failed in the last day.</p>
      ) : (
        <ul className="problems">
          {lines.map((line) => (
            <li key={line.id}>
              <time className="hint" dateTime={line.at} title={new Date(line.at).toLocaleString()}>
                {ago(new Date(line.at), now)}
              </time>
              <span className="problem-source hint">{line.source}</span>
              <Link
                to="/logs"
                search={line.requestId ? { requestId: line.requestId } : { level: "error", source: line.source }}
                className="problem-text"
              >
                {line.message}
              </Link>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
