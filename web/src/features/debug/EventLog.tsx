import { useQuery } from "@tanstack/react-query";
import type { Span } from "../../api/debug";
import { sentence } from "../../api/explain";
import { clock } from "../../ui/log/LogList";
import { entriesOf, readEvents } from "./events";

interface Props {
  agentId: string;
  turnId: string;
  spans: readonly Span[];
}

const SHOWN = 400;

/** The durable log of a turn by offset: what was written when, by which attempt. */
export function EventLog({ agentId, turnId, spans }: Props) {
  const { data, error, isPending } = useQuery({
    queryKey: ["debug", "events", turnId],
    queryFn: ({ signal }) => readEvents(agentId, turnId, signal),
  });
  const entries = data ? entriesOf(data, spans) : [];
  return (
    <section aria-label="Event log">
      <h3>Event log</h3>
      {isPending && <p className="hint late">Reading…</p>}
      {error && (
        <p role="alert" className="error">
          {sentence(error)}
        </p>
      )}
      {entries.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
        <section className="event-log" tabIndex={0} aria-label="Events by offset">
          <table>
            <thead>
              <tr>
                <th scope="col" className="number">
                  Offset
                </th>
                <th scope="col">Type</th>
                <th scope="col" className="number">
                  Attempt
                </th>
                <th scope="col">On disk</th>
                <th scope="col">Says</th>
              </tr>
            </thead>
            <tbody>
              {entries.slice(0, SHOWN).map((entry) => (
                <tr key={entry.offset} data-testid="event-row" data-mark={entry.mark}>
                  <th scope="row" className="number">
                    {entry.offset}
                  </th>
                  <td>{entry.type}</td>
                  <td className="number">{entry.attempt || ""}</td>
                  <td>{entry.at === null ? "–" : clock(new Date(entry.at).toISOString())}</td>
                  <td className="event-says">
                    {entry.mark === "woken" && <strong>The server had ended; woken here. </strong>}
                    {entry.says}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {entries.length > SHOWN && <p className="hint">{entries.length - SHOWN} more events are not shown.</p>}
        </section>
      )}
    </section>
  );
}
