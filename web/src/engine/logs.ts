import { grave, type LogLine } from "../api/logs";

/** A line, and its facts as one text: what is shown in a row and searched. */
export interface Entry {
  line: LogLine;
  text: string;
}

export interface LogFilter {
  /** The least level shown. */
  level: string;
  /** A source with all below it (`engine` takes `engine:NAME`), or null for all. */
  source: string | null;
  text: string;
  requestId: string | null;
}

export const NO_FILTER: LogFilter = { level: "debug", source: null, text: "", requestId: null };

function told(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

/** The message and the fields after it, on one line. */
export function rowText(line: LogLine): string {
  let text = line.message;
  for (const [name, value] of Object.entries(line.fields ?? {})) text += ` ${name}=${told(value)}`;
  return text.includes("\n") ? text.replace(/\s*\n\s*/g, " ⏎ ") : text;
}

/** Whether a source is the wanted one or below it, as the server reads it as well. */
export function isOf(source: string, wanted: string): boolean {
  return source === wanted || (source.startsWith(wanted) && ".:".includes(source.charAt(wanted.length)));
}

/** Lines of engines may belong to one of several requests. */
function isAbout({ requestId, fields }: LogLine, wanted: string): boolean {
  const candidates = fields?.candidates;
  return requestId === wanted || (Array.isArray(candidates) && candidates.includes(wanted));
}

/** Whether an entry passes `filter`; made once for a filter, called for each line. */
export function matcher(filter: LogFilter): (entry: Entry) => boolean {
  const { source, requestId } = filter;
  const least = grave(filter.level);
  const words = filter.text.trim();
  const pattern = words === "" ? null : new RegExp(words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i");
  return ({ line, text }) =>
    line.level === NOTE ||
    (grave(line.level) >= least &&
      (source === null || isOf(line.source, source)) &&
      (requestId === null || isAbout(line, requestId)) &&
      (pattern === null || pattern.test(text) || pattern.test(line.source)));
}

/** The level of a line that this page puts in itself, to say that lines are missing; it is always shown. */
export const NOTE = "note";

/** The newest lines, at most `capacity`, outside of React. Each has a number that never changes. */
export class LogRing {
  private entries: Entry[] = [];
  private readonly ids = new Set<string>();
  private readonly seen = new Set<string>();
  /** The number of the oldest line kept. */
  first = 0;

  constructor(readonly capacity = 100_000) {}

  /** The number that the next line gets. */
  get end(): number {
    return this.first + this.entries.length;
  }

  at(number: number): Entry | undefined {
    return this.entries[number - this.first];
  }

  has(id: string): boolean {
    return this.ids.has(id);
  }

  /** All sources seen. */
  sources(): string[] {
    return [...this.seen].sort();
  }

  /** Adds lines at the end; those that are there already change nothing. The oldest make room. */
  push(lines: readonly LogLine[]): void {
    for (const line of lines) {
      if (this.ids.has(line.id)) continue;
      this.ids.add(line.id);
      if (line.level !== NOTE) this.seen.add(line.source);
      this.entries.push({ line, text: rowText(line) });
    }
    // A slice at a time, so that making room costs next to nothing for each line.
    if (this.entries.length < this.capacity + Math.min(this.capacity, 2_000)) return;
    const gone = this.entries.splice(0, this.entries.length - this.capacity);
    this.first += gone.length;
    for (const { line } of gone) this.ids.delete(line.id);
  }
}

/**
 * The lines of a ring that pass a filter, kept up as the ring grows: only what is new is looked at. Before them stand
 * older ones that were read from the files.
 */
export class LogView {
  /** How far the lines that were shown at first have moved down (or, below zero, up or out). */
  shift = 0;
  private older: Entry[] = [];
  private numbers: number[] = [];
  private seen: number;
  private lowest: number;
  private readonly passes: (entry: Entry) => boolean;

  constructor(
    private readonly ring: LogRing,
    filter: LogFilter,
  ) {
    this.passes = matcher(filter);
    this.lowest = this.seen = ring.first;
    this.update();
  }

  get length(): number {
    return this.older.length + this.numbers.length;
  }

  at(index: number): Entry | undefined {
    if (index < this.older.length) return this.older[index];
    const number = this.numbers[index - this.older.length];
    return number === undefined ? undefined : this.ring.at(number);
  }

  /** Where a line stands now, -1 when it is not shown. */
  indexOf(id: string): number {
    for (let index = this.length - 1; index >= 0; index -= 1) if (this.at(index)?.line.id === id) return index;
    return -1;
  }

  /** The oldest line shown. */
  oldest(): LogLine | null {
    return this.at(0)?.line ?? null;
  }

  /** Puts lines before all others, oldest first. */
  prepend(lines: readonly LogLine[]): void {
    const known = new Set(this.older.map(({ line }) => line.id));
    const fresh = lines
      .filter((line) => !known.has(line.id) && !this.ring.has(line.id))
      .map((line) => ({ line, text: rowText(line) }));
    this.older = fresh.concat(this.older);
    this.shift += fresh.length;
  }

  /** Takes in what happened to the ring; twice changes nothing. */
  update(): void {
    const { ring } = this;
    if (ring.first > this.lowest) {
      const kept = this.numbers.findIndex((number) => number >= ring.first);
      // What is older than a hole goes as well.
      this.shift -= this.older.length + this.numbers.splice(0, kept < 0 ? this.numbers.length : kept).length;
      this.older = [];
      this.lowest = ring.first;
    }
    for (let number = Math.max(this.seen, ring.first); number < ring.end; number += 1) {
      const entry = ring.at(number);
      if (entry && this.passes(entry)) this.numbers.push(number);
    }
    this.seen = ring.end;
  }
}
