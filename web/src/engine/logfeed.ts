import type { LogBatch, LogLine } from "../api/logs";
import { randomKey } from "./ids";
import { isOf, type LogFilter, LogRing, NO_FILTER, NOTE } from "./logs";

/** The part of the connection that the feed needs. */
export interface LogSource {
  readonly connected: boolean;
  request<T>(event: string, data?: object): Promise<T>;
  on(event: string, listener: (data: unknown) => void): () => void;
  onOpen(opener: () => void): () => void;
}

/** What `logs:search` answers: lines, the oldest first, and where to go on when there may be more. */
export interface Found {
  lines: LogLine[];
  before: string | null;
}

export const PAGE = 500;

interface FeedOptions {
  /** The source that is followed, with all below it; null for everything. */
  source?: string | null;
  /** How many lines are kept. */
  capacity?: number;
  /** Runs something with the next picture. */
  soon?: (run: () => void) => void;
}

/** The intent's data for a filter. */
export function searchFor(filter: LogFilter, before: string | null): Record<string, unknown> {
  return {
    limit: PAGE,
    ...(filter.level === NO_FILTER.level ? {} : { level: filter.level }),
    ...(filter.source === null ? {} : { source: filter.source }),
    ...(filter.text.trim() === "" ? {} : { text: filter.text.trim() }),
    ...(filter.requestId === null ? {} : { requestId: filter.requestId }),
    ...(before === null ? {} : { before }),
  };
}

/**
 * Fills a ring: the newest lines of the files first, then what the server sends. After a loss of the connection, and
 * after the page was out of sight, it reads what came meanwhile, or says that lines are missing.
 */
export class LogFeed {
  readonly ring: LogRing;
  private version = 0;
  private held: LogLine[] | null = null;
  private early: LogLine[] | null = null;
  private last: string | null = null;
  private started = false;
  private frame = false;
  private readonly watchers = new Set<() => void>();
  private ends: (() => void)[] = [];
  /** Whether the first lines have been read. */
  filled = false;
  problem: string | null = null;

  private readonly only: string | null;
  private readonly soon: (run: () => void) => void;

  constructor(
    private readonly source: LogSource,
    { source: only = null, capacity = 100_000, soon = requestAnimationFrame.bind(globalThis) }: FeedOptions = {},
  ) {
    this.only = only;
    this.soon = soon;
    this.ring = new LogRing(capacity);
  }

  /** Begins to follow the log; `stop` ends it. */
  start(): void {
    this.started = true;
    this.ends = [
      this.source.on("logs:batch", (data) => this.received(data as LogBatch)),
      this.source.onOpen(() => void this.follow()),
    ];
  }

  stop(): void {
    this.started = false;
    for (const end of this.ends.splice(0)) end();
    this.unsubscribe();
  }

  /** Follows only while the page is seen. */
  hide(hidden: boolean): void {
    if (!this.started || !this.source.connected) return;
    if (hidden) this.unsubscribe();
    else void this.follow();
  }

  snapshot = (): number => this.version;

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  get paused(): boolean {
    return this.held !== null;
  }

  /** How many lines came while paused. */
  get waiting(): number {
    return this.held?.length ?? 0;
  }

  /** Holds what comes back, or lets it in. */
  pause(paused: boolean): void {
    const held = this.held ?? [];
    this.held = paused ? held : null;
    if (!paused) this.ring.push(held);
    this.changed();
  }

  private unsubscribe(): void {
    this.early = null;
    if (this.source.connected) this.source.request("logs:unsubscribe").catch(() => undefined);
  }

  private async follow(): Promise<void> {
    const early: LogLine[] = [];
    this.early = early;
    try {
      const sources = this.only === null ? [] : [this.only];
      await this.source.request("logs:subscribe", { level: NO_FILTER.level, sources });
      const wanted = searchFor({ ...NO_FILTER, source: this.only }, null);
      const { lines } = await this.source.request<Found>("logs:search", wanted);
      this.problem = null;
      if (this.last !== null && lines.length >= PAGE && !lines.some(({ id }) => id === this.last))
        this.add([note("Lines are missing here: more came than are read again. The files have all of them.")]);
      this.add(lines);
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
    }
    if (this.early === early) {
      this.early = null;
      this.add(early);
    }
    this.filled = true;
    this.changed();
  }

  private received({ lines, dropped }: LogBatch): void {
    const { only } = this;
    // What was sent before the server heard of this source may be of others.
    const ours = only === null ? lines : lines.filter(({ source }) => isOf(source, only));
    const all = dropped > 0 ? [...ours, note(`${dropped.toLocaleString("en")} lines came too fast to be sent`)] : ours;
    if (this.early) this.early.push(...all);
    else this.add(all);
  }

  private add(lines: readonly LogLine[]): void {
    if (lines.length === 0) return;
    this.last = lines.findLast(({ level }) => level !== NOTE)?.id ?? this.last;
    if (this.held) {
      const { held, ring } = this;
      const known = new Set(held.slice(-2 * PAGE).map(({ id }) => id));
      for (const line of lines) if (!known.has(line.id) && !ring.has(line.id)) held.push(line);
      if (held.length > ring.capacity) held.splice(0, held.length - ring.capacity);
    } else this.ring.push(lines);
    this.changed();
  }

  private changed(): void {
    if (this.frame) return;
    this.frame = true;
    this.soon(() => {
      this.frame = false;
      this.version += 1;
      for (const watcher of this.watchers) watcher();
    });
  }
}

function note(message: string): LogLine {
  return { id: randomKey(), at: new Date().toISOString(), level: NOTE, source: "", message };
}
