import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef, useState } from "react";
import { whole } from "../../ui/format";
import { milliseconds } from "./figures";
import type { Run, Timed } from "./run";

const ROW = 28;

function pretty(data: string): string {
  try {
    return JSON.stringify(JSON.parse(data), null, 2);
  } catch {
    return data;
  }
}

function typeOf(event: Timed): string {
  if (event.kind === "comment") return "comment";
  if (event.name) return event.name;
  return event.data === "[DONE]" ? "end" : "data";
}

/** Every event as it came, with the time since the request and since the one before it. */
export function EventList({ run }: { run: Run }) {
  const scroller = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<number | null>(null);
  const virtual = useVirtualizer({
    count: run.events.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 12,
  });
  if (run.events.length === 0)
    return <p className="hint">{run.state === "done" ? "The answer came as one piece." : "No events yet."}</p>;
  const chosen = at === null ? undefined : run.events[at];
  return (
    <>
      <p className="hint figure">
        {whole(run.events.length + run.dropped)} events, {whole(run.bytes)} bytes
        {run.dropped > 0 && `; the first ${whole(run.events.length)} are kept`}
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
      <section className="play-events" ref={scroller} tabIndex={0} aria-label="Events">
        <ol style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => {
            const event = run.events[item.index];
            if (!event) return null;
            const before = run.events[item.index - 1]?.at ?? run.headersAt ?? 0;
            return (
              <li key={item.key} style={{ transform: `translateY(${item.start}px)` }}>
                <button
                  type="button"
                  className="play-event"
                  aria-expanded={at === item.index}
                  onClick={() => setAt(at === item.index ? null : item.index)}
                >
                  <span className="figure">{milliseconds(event.at)}</span>
                  <span className="figure">+{milliseconds(event.at - before)}</span>
                  <span>{typeOf(event)}</span>
                  <code>{event.data.slice(0, 300)}</code>
                </button>
              </li>
            );
          })}
        </ol>
      </section>
      {chosen && (
        <section aria-label={`Event ${(at ?? 0) + 1}`}>
          <pre className="play-text">{pretty(chosen.data)}</pre>
        </section>
      )}
    </>
  );
}
