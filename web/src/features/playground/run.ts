import { explain } from "../../api/explain";
import { type Frame, framing } from "../../engine/frames";
import { type Answer, Reader } from "./answer";
import type { DialectId } from "./draft";
import type { Built } from "./request";

/** One event of an answer, with the time since the request was sent. */
export interface Timed extends Frame {
  at: number;
}

/** A request under way or done; times in milliseconds since it was sent. */
export interface Run {
  state: "waiting" | "receiving" | "done" | "failed" | "stopped";
  dialect: DialectId;
  sent: string;
  status: number | null;
  headers: readonly (readonly [string, string])[];
  headersAt: number | null;
  firstAt: number | null;
  /** When the first content of the answer came. */
  contentAt: number | null;
  endAt: number | null;
  events: readonly Timed[];
  /** Events that were not kept because there are too many. */
  dropped: number;
  bytes: number;
  /** The body as it came, at most `MOST_TEXT` characters of it. */
  raw: () => string;
  answer: Answer;
  /** Why there is no answer, when the request itself failed. */
  problem: string | null;
}

export const MOST_EVENTS = 20_000;
export const MOST_TEXT = 4_000_000;

/** Collects what comes; `snapshot` is the state for the page. */
class Collector {
  private readonly reader: Reader;
  private readonly events: Timed[] = [];
  private readonly pieces: string[] = [];
  private size = 0;
  private run: Run;

  constructor(
    dialect: DialectId,
    sent: string,
    private readonly now: () => number,
  ) {
    this.reader = new Reader(dialect);
    this.run = {
      state: "waiting",
      dialect,
      sent,
      status: null,
      headers: [],
      headersAt: null,
      firstAt: null,
      contentAt: null,
      endAt: null,
      events: [],
      dropped: 0,
      bytes: 0,
      raw: () => this.pieces.join(""),
      answer: this.reader.answer,
      problem: null,
    };
  }

  snapshot(): Run {
    return { ...this.run, events: this.events.slice(), answer: this.reader.answer };
  }

  head(response: Response): void {
    const headers = [...response.headers].sort(([one], [other]) => one.localeCompare(other));
    this.run = { ...this.run, state: "receiving", status: response.status, headers, headersAt: this.now() };
  }

  bytes(count: number): void {
    this.run.bytes += count;
    this.run.firstAt ??= this.now();
  }

  text(text: string): void {
    if (this.size < MOST_TEXT) this.pieces.push(text.slice(0, MOST_TEXT - this.size));
    this.size += text.length;
  }

  frames(frames: readonly Frame[]): void {
    for (const frame of frames) {
      const at = this.now();
      if (this.reader.take(frame)) this.run.contentAt ??= at;
      if (this.events.length < MOST_EVENTS) this.events.push({ ...frame, at });
      else this.run.dropped += 1;
    }
  }

  /** The body has ended; `streamed` says whether it was a stream. */
  end(streamed: boolean): void {
    const at = this.now();
    if (!streamed) {
      this.reader.whole(this.pieces.join(""));
      if (this.run.status === 200) this.run.contentAt = this.run.firstAt;
    }
    const { error, ended } = this.reader.answer;
    const cut = streamed && !ended && error === null;
    const problem = cut ? "The stream broke off before its end." : null;
    const bad = error !== null || cut || (this.run.status ?? 0) >= 400;
    this.run = { ...this.run, state: bad ? "failed" : "done", endAt: at, problem };
  }

  stop(): void {
    this.run = { ...this.run, state: "stopped", endAt: this.now() };
  }

  fail(problem: string): void {
    this.run = { ...this.run, state: "failed", endAt: this.now(), problem };
  }
}

async function receive(collector: Collector, response: Response, tell: () => void): Promise<void> {
  collector.head(response);
  tell();
  const frames = response.ok ? framing(response.headers.get("content-type") ?? "") : null;
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  for (;;) {
    const piece = await reader?.read();
    if (!piece || piece.done) break;
    collector.bytes(piece.value.length);
    const text = decoder.decode(piece.value, { stream: true });
    collector.text(text);
    if (frames) collector.frames(frames.push(text));
    tell();
  }
  if (frames) collector.frames(frames.end());
  collector.end(frames !== null);
}

/**
 * Sends a request and tells `watch` what comes, as often as something does, and at the end. Never rejects: what goes wrong
 * is in the run's `problem`.
 */
export async function perform(
  built: Built & { body: string },
  dialect: DialectId,
  signal: AbortSignal,
  watch: (run: () => Run) => void,
): Promise<void> {
  const begun = performance.now();
  const collector = new Collector(dialect, built.body, () => performance.now() - begun);
  const tell = () => watch(() => collector.snapshot());
  tell();
  try {
    const response = await fetch(built.path, { method: "POST", headers: built.headers, body: built.body, signal });
    await receive(collector, response, tell);
  } catch (error) {
    if (signal.aborted) collector.stop();
    else collector.fail(explain(error).happened);
  }
  tell();
}
