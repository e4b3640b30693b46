import type { Span } from "../../api/debug";

/** A span in its place: how deep it lies, and where its bar begins and ends within the whole, from 0 to 1. */
export interface Row {
  span: Span;
  depth: number;
  from: number;
  to: number;
  /** Milliseconds since the beginning of all. */
  after: number;
  marks: readonly { at: number; after: number; name: string }[];
}

export interface Waterfall {
  rows: readonly Row[];
  /** Milliseconds since 1970. */
  start: number;
  ms: number;
  /** Milliseconds by which the browser's clock was moved to fit the server's. */
  shift: number;
}

/**
 * How far the browser's clock has to be moved. What the server does for an intent lies within the time in which the page waited for it;
 * where it does not, the clocks differ, and it is put into the middle.
 */
export function clockShift(spans: readonly Span[]): number {
  const sent = spans.find((span) => span.layer === "browser" && span.name === "send over the socket");
  const served = sent && spans.find((span) => span.layer === "realtime" && span.name.startsWith("intent "));
  if (!sent || !served) return 0;
  if (served.start >= sent.start && served.start + served.ms <= sent.start + sent.ms) return 0;
  return served.start + served.ms / 2 - (sent.start + sent.ms / 2);
}

/** The spans as a tree in rows: each below the one that it belongs to, by beginning. */
export function waterfall(given: readonly Span[]): Waterfall {
  const shift = clockShift(given);
  const spans = given.map((span) =>
    span.layer === "browser" && shift !== 0
      ? { ...span, start: span.start + shift, marks: span.marks.map((mark) => ({ ...mark, at: mark.at + shift })) }
      : span,
  );
  if (spans.length === 0) return { rows: [], start: 0, ms: 0, shift };
  const start = Math.min(...spans.map((span) => span.start));
  const ms = Math.max(...spans.map((span) => span.start + span.ms)) - start || 1;
  const known = new Set(spans.map((span) => span.id));
  const children = new Map<string | null, Span[]>();
  for (const span of spans) {
    const above =
      span.parentId !== null && known.has(span.parentId) && span.parentId !== span.id ? span.parentId : null;
    children.set(above, [...(children.get(above) ?? []), span]);
  }
  const rows: Row[] = [];
  const seen = new Set<string>();
  const add = (above: string | null, depth: number) => {
    const below = (children.get(above) ?? []).sort((one, other) => one.start - other.start || other.ms - one.ms);
    for (const span of below) {
      if (seen.has(span.id)) continue;
      seen.add(span.id);
      const after = span.start - start;
      const marks = span.marks.map(({ at, name }) => ({ at: (at - start) / ms, after: at - start, name }));
      rows.push({ span, depth, from: after / ms, to: (after + span.ms) / ms, after, marks });
      add(span.id, depth + 1);
    }
  };
  add(null, 0);
  return { rows, start, ms, shift };
}

/** Milliseconds as a short text: 0.4 ms, 12 ms, 1.25 s. */
export function took(ms: number): string {
  if (ms < 10) return `${ms.toFixed(ms < 1 ? 2 : 1)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}
