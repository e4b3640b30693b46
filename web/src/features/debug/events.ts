import type { Span } from "../../api/debug";
import type { TurnEvent } from "../../api/types";
import { framing } from "../../engine/frames";

/** An entry of a turn's log, with what is known of it. */
export interface Entry {
  offset: number;
  type: string;
  /** What it says, shortened. */
  says: string;
  /** Which attempt at the turn wrote it, from 1. */
  attempt: number;
  /** When it was on disk, in milliseconds since 1970; null where memory does not tell. */
  at: number | null;
  /** `woken`: the server had ended in the middle of this turn, and another one went on with it. */
  mark: "woken" | null;
}

const LONG = 160;
const PATIENCE = 15_000;

/** Reads the log of a turn, as far as it has come. */
export async function readEvents(agentId: string, turnId: string, signal: AbortSignal): Promise<TurnEvent[]> {
  const path = `/api/agents/${encodeURIComponent(agentId)}/turns/${encodeURIComponent(turnId)}/events?from=0`;
  const response = await fetch(path, { signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]) });
  const frames = framing(response.headers.get("content-type") ?? "");
  const events: TurnEvent[] = [];
  if (!response.ok || !response.body || !frames) throw new Error(`The server answered ${response.status}.`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      for (const frame of done ? frames.end() : frames.push(value))
        if (frame.kind === "event") events.push(JSON.parse(frame.data) as TurnEvent);
      if (done || events.at(-1)?.type === "end") return events;
    }
  } catch (error) {
    // A turn under way has no end yet: what there is of it is shown.
    if (signal.aborted || events.length === 0) throw error;
    return events;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** The log with attempts, times and marks. The commits of the trace tell when each offset was on disk. */
export function entriesOf(events: readonly TurnEvent[], spans: readonly Span[]): Entry[] {
  const commits = spans
    .filter((span) => span.name === "commit the tokens")
    .flatMap((span) => span.marks)
    .map(({ at, name }) => ({ at, offset: Number(/^offset (\d+)$/.exec(name)?.[1] ?? -1) }))
    .filter(({ offset }) => offset >= 0)
    .sort((one, other) => one.offset - other.offset);
  const ended = (name: string) => {
    const span = spans.findLast((one) => one.name === name);
    return span ? span.start + span.ms : null;
  };
  let attempt = 0;
  return events.map((event) => {
    const begins = event.type === "status" && event.state === "running" && event.leftOut === undefined;
    if (begins) attempt += 1;
    const commit = commits.find(({ offset }) => offset >= event.offset)?.at ?? null;
    const at =
      event.type === "end" || event.type === "error"
        ? ended("commit the end")
        : event.offset < 2 && !begins
          ? ended("commit the message")
          : begins
            ? ended("claim the turn")
            : commit;
    return {
      offset: event.offset,
      type: event.type,
      says: says(event),
      attempt,
      at,
      mark: begins && attempt > 1 ? "woken" : null,
    };
  });
}

function says(event: TurnEvent): string {
  const { offset: _, turnId: __, type: ___, ...rest } = event;
  const text = typeof rest.text === "string" ? rest.text : JSON.stringify(rest);
  return text.length > LONG ? `${text.slice(0, LONG)}…` : text;
}
