import { useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { LogLine } from "../../api/logs";
import { rowText } from "../../engine/logs";
import { ago } from "../../ui/format";
import { useAsked, usePush } from "../../ui/live";

const SEARCH = "logs:search";
const SHOWN = 5;
const RECENT = 86_400_000;
/** Engines warn about their own options; what Corral itself warns of is worth a look. */
const ERRORS = { level: "error", limit: SHOWN };
const WARNINGS = { level: "warning", source: "corral", limit: SHOWN };

interface Lines {
  lines: LogLine[];
}

/** What went wrong in the last day, the newest first. */
export function Problems() {
  const client = useQueryClient();
  const errors = useAsked<Lines>(SEARCH, ERRORS);
  const warnings = useAsked<Lines>(SEARCH, WARNINGS);
  // A failure is in the log by the time it is told; anything else is seen with the next measurement.
  const look = () => client.invalidateQueries({ queryKey: [SEARCH] });
  usePush<{ state?: string }>("models:status", ({ state }) => state === "failed" && look());
  usePush("metrics:update", look);
  if (!errors.data || !warnings.data) return null;
  const now = new Date();
  const found = new Map([...errors.data.lines, ...warnings.data.lines].map((line) => [line.id, line]));
  const lines = [...found.values()]
    .filter(({ at }) => now.getTime() - new Date(at).getTime() < RECENT)
    .sort((a, b) => b.at.localeCompare(a.at))
    .slice(0, SHOWN);
  return (
    <section aria-labelledby="problems-title">
      <header className="part-head">
        <h2 id="problems-title" className="part">
          Recent problems
        </h2>
        {lines.length > 0 && (
          <Link to="/logs" search={{ level: "warning" }} className="more">
            All of them
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
                search={line.requestId ? { requestId: line.requestId } : { level: line.level, source: line.source }}
                className="problem-text"
              >
                {rowText(line)}
              </Link>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
