import type { PageSpan } from "../api/debug";
import type { TurnEvent } from "../api/types";
import { hex } from "./ids";

const KEPT = 30;
const MAX_GAPS = 2_000;

/** What is known of one message's way, in milliseconds since 1970. */
export interface Journey {
  key: string;
  traceId: string;
  spanId: string;
  turnId: string | null;
  clicked: number;
  sent: number;
  tries: number;
  acknowledged: number;
  first: number;
  painted: number;
  last: number;
  ended: number;
  /** Pauses between events that bring text, in milliseconds. */
  gaps: number[];
  tokens: number | null;
  error: string;
}

/** Follows each message of this page from the click to the last word, and tells the server of it when it has ended. */
export class MessageTimes {
  private readonly journeys = new Map<string, Journey>();
  private readonly turns = new Map<string, Journey>();
  private readonly watchers = new Set<() => void>();
  /** The message that had news last. */
  latest: Journey | null = null;
  /** How much news there was. */
  count = 0;

  constructor(
    private readonly tell: (spans: readonly PageSpan[]) => Promise<unknown>,
    private readonly now: () => number = () => performance.timeOrigin + performance.now(),
    private readonly painted: (done: () => void) => void = (done) => requestAnimationFrame(() => setTimeout(done)),
  ) {}

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  /** A message goes out, under its key as the request's id; gives what the server goes on from. */
  sending(key: string, clicked: number): { requestId: string; traceparent: string } {
    let journey = this.journeys.get(key);
    if (!journey) {
      const none = { turnId: null, tries: 0, acknowledged: 0, first: 0, painted: 0, last: 0, ended: 0, tokens: null };
      journey = { ...none, key, traceId: hex(16), spanId: hex(8), clicked, sent: this.now(), gaps: [], error: "" };
      this.journeys.set(key, journey);
      this.forget();
    }
    journey.tries += 1;
    return { requestId: key, traceparent: `00-${journey.traceId}-${journey.spanId}-01` };
  }

  /** The server has it: the answer is this turn. */
  acknowledged(key: string, turnId: string): void {
    const journey = this.journeys.get(key);
    if (!journey || journey.turnId !== null) return;
    journey.turnId = turnId;
    journey.acknowledged = this.now();
    this.turns.set(turnId, journey);
    this.news(journey);
  }

  /** An event of a turn has come. */
  received(event: TurnEvent): void {
    const journey = this.turns.get(event.turnId);
    if (journey?.ended !== 0) return;
    const now = this.now();
    if (event.type === "token") {
      if (journey.first === 0) {
        journey.first = now;
        this.painted(() => {
          journey.painted = this.now();
          if (journey.ended !== 0) this.send(journey);
        });
      } else if (journey.gaps.length < MAX_GAPS) journey.gaps.push(now - journey.last);
      journey.last = now;
    } else if (event.type === "usage") journey.tokens = event.completionTokens ?? null;
    else if (event.type === "error") journey.error = event.code ?? "failed";
    else if (event.type === "end") {
      journey.ended = now;
      // The first word is on the screen a frame after it came; then all is known.
      if (journey.first === 0 || journey.painted !== 0) this.send(journey);
    }
    this.news(journey);
  }

  private send(journey: Journey): void {
    this.tell(spansOf(journey)).catch(() => undefined);
  }

  private news(journey: Journey): void {
    this.latest = journey;
    this.count += 1;
    for (const watcher of this.watchers) watcher();
  }

  private forget(): void {
    for (const [key, { turnId }] of this.journeys) {
      if (this.journeys.size <= KEPT) return;
      this.journeys.delete(key);
      if (turnId !== null) this.turns.delete(turnId);
    }
  }
}

/** A message's way as spans. */
export function spansOf(journey: Journey): PageSpan[] {
  const { key, traceId, spanId, clicked, sent, acknowledged, first, painted, last, ended, tries } = journey;
  const below = (name: string, start: number, end: number, more: Partial<PageSpan> = {}): PageSpan => ({
    requestId: key,
    traceId,
    id: hex(8),
    parentId: spanId,
    name,
    start,
    ms: Math.max(0, end - start),
    ...more,
  });
  const marks = [
    { at: first, name: "first token received" },
    { at: painted, name: "first token shown" },
  ].filter(({ at }) => at !== 0);
  const { parentId: _, ...whole } = below("message", clicked, ended, { id: spanId, marks, error: journey.error });
  const spans: PageSpan[] = [
    { ...whole, attributes: journey.turnId === null ? {} : { turn: journey.turnId } },
    below("wait in the outbox", clicked, sent),
    below("send over the socket", sent, acknowledged, { attributes: { tries } }),
  ];
  if (first !== 0) {
    const attributes = {
      pauses: journey.gaps.length,
      p50: percentile(journey.gaps, 50),
      p95: percentile(journey.gaps, 95),
    };
    spans.push(
      below("wait for the first token", acknowledged, first),
      below("receive the answer", first, last, { attributes }),
    );
  }
  return spans;
}

/** The nearest-rank percentile; 0 of nothing. */
export function percentile(values: readonly number[], part: number): number {
  const ordered = [...values].sort((one, other) => one - other);
  return ordered[Math.max(0, Math.ceil((part / 100) * ordered.length) - 1)] ?? 0;
}
