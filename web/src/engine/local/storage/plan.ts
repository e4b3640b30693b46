/** The pure part of a download: which bytes to ask for next, what an answer must say, when to try again. */
import { ERRORS } from "../../../api/errors";

export interface Range {
  /** The first byte, and the one behind the last. */
  start: number;
  end: number;
}

const MIB = 1024 * 1024;
export const FIRST_RANGE = MIB;
export const LARGEST_RANGE = 64 * MIB;
/** A range is to take about this long, so that a pause or a broken connection costs little and the asking costs little too. */
const RANGE_MS = 4_000;
/** Bytes that are handed over for writing at once. */
export const BLOCK = MIB;
const [RESUME] = ERRORS.device_download_failed.steps;
/** Tries without a single new byte before a download fails. */
export const TRIES = 1 + RESUME.tries;
const LONGEST_WAIT = RESUME.longest;

/** The next bytes of a file of which `stored` are here; null when there are none. */
export function nextRange(stored: number, bytes: number, size: number): Range | null {
  return stored >= bytes ? null : { start: stored, end: Math.min(bytes, stored + Math.max(1, Math.floor(size))) };
}

/** How large the next range may be after one of `bytes` that took `ms`: at most twice or half the last. */
export function nextSize(last: number, bytes: number, ms: number): number {
  const fitting = ms <= 0 ? last * 2 : (bytes / ms) * RANGE_MS;
  const next = Math.min(last * 2, Math.max(last / 2, fitting));
  return Math.min(LARGEST_RANGE, Math.max(FIRST_RANGE, Math.round(next)));
}

/** What is wrong with the head of an answer to `range` of a file of `bytes`; null when it is right. */
export function wrong(range: Range, bytes: number, status: number, header: (name: string) => string | null) {
  const length = header("content-length");
  if (status === 200) {
    // A host of plain files, or a proxy in between, may not know ranges: then all of it comes, from the beginning.
    return length === null || Number(length) === bytes ? null : "a whole file of another length came";
  }
  const said = header("content-range");
  const expected = `bytes ${range.start}-${range.end - 1}/${bytes}`;
  if (said !== expected) return `another part of the file came (${said ?? "unnamed"} instead of ${expected})`;
  if (length !== null && Number(length) !== range.end - range.start) return "the answer has another length";
  return null;
}

/** Milliseconds before try number `attempt` (from 1); the server's own wish in seconds counts where it is longer. */
export function pause(attempt: number, random: number, wish: string | null = null): number {
  const own = Math.min(LONGEST_WAIT, RESUME.pause * 2 ** (attempt - 1)) * (0.5 + random / 2);
  const asked = wish === null ? 0 : Number(wish) * 1_000;
  return Math.round(Math.min(LONGEST_WAIT, Math.max(own, Number.isFinite(asked) ? asked : 0)));
}

/** Bytes a second over the last seconds. */
export class Rate {
  private marks: { at: number; bytes: number }[] = [];

  constructor(private readonly window = 5_000) {}

  add(bytes: number, now: number): void {
    this.marks.push({ at: now, bytes });
    const kept = this.marks.findIndex(({ at }) => at >= now - this.window);
    if (kept > 0) this.marks.splice(0, kept);
  }

  at(now: number): number {
    const recent = this.marks.filter(({ at }) => at >= now - this.window);
    const first = recent[0];
    if (!first) return 0;
    const total = recent.reduce((all, { bytes }) => all + bytes, 0);
    return total / (Math.max(250, now - first.at) / 1_000);
  }
}
