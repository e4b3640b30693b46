import type { EngineMetrics, Metrics } from "../api/metrics";

/** One line of a chart; a value for each moment, null where there is none. */
export interface Line {
  label: string;
  values: (number | null)[];
}

/** What a chart shows: moments in seconds since 1970, ascending, and the lines over them. */
export interface Plot {
  x: number[];
  lines: Line[];
  /** How many further lines there would be. */
  more: number;
}

export const MAX_LINES = 6;
const LATE = 2.5;

export const seconds = (at: string): number => new Date(at).getTime() / 1000;

/** `points` with a newer one at the end, those of the last `span` seconds only; one that is not newer changes nothing. */
export function append(points: readonly Metrics[], point: Metrics, span: number): readonly Metrics[] {
  const last = points.at(-1);
  if (last && seconds(point.at) <= seconds(last.at)) return points;
  const from = seconds(point.at) - span;
  return [...points.filter(({ at }) => seconds(at) >= from), point];
}

/** The lines that `pick` names, one for each of its entries. */
export function plot(
  points: readonly Metrics[],
  pick: Record<string, (point: Metrics) => number | null | undefined>,
): Plot {
  const lines = Object.entries(pick).map(([label, read]) => ({
    label,
    values: points.map((point) => read(point) ?? null),
  }));
  return withGaps({ x: points.map(({ at }) => seconds(at)), lines: lines.filter(hasValues), more: 0 });
}

/** One line for each engine; of very many those with the highest values. */
export function enginePlot(
  points: readonly Metrics[],
  read: (engine: EngineMetrics) => number | null | undefined,
  only: string | null,
): Plot {
  const found = new Map<string, (number | null)[]>();
  for (const [index, point] of points.entries())
    for (const engine of point.engines) {
      if (only !== null && engine.name !== only) continue;
      let values = found.get(engine.name);
      if (!values) {
        values = new Array<number | null>(points.length).fill(null);
        found.set(engine.name, values);
      }
      values[index] = read(engine) ?? null;
    }
  const lines = [...found].map(([label, values]) => ({ label, values })).filter(hasValues);
  const shown = lines.sort((a, b) => weight(b) - weight(a) || a.label.localeCompare(b.label)).slice(0, MAX_LINES);
  shown.sort((a, b) => a.label.localeCompare(b.label));
  return withGaps({ x: points.map(({ at }) => seconds(at)), lines: shown, more: lines.length - shown.length });
}

/** Puts an empty moment where points are missing, so that no line is drawn over what nobody has measured. */
export function withGaps(given: Plot): Plot {
  const { x, lines } = given;
  if (x.length < 3) return given;
  const steps = x.slice(1).map((value, index) => value - (x[index] ?? 0));
  const usual = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 0;
  const holes = steps.flatMap((step, index) => (step > usual * LATE ? [index + 1] : []));
  if (holes.length === 0) return given;
  const filled: Plot = {
    x: [...x],
    lines: lines.map((line) => ({ ...line, values: [...line.values] })),
    more: given.more,
  };
  for (const hole of holes.reverse()) {
    filled.x.splice(hole, 0, (x[hole - 1] ?? 0) + usual);
    for (const line of filled.lines) line.values.splice(hole, 0, null);
  }
  return filled;
}

/** The part of a plot between two moments. */
export function between(given: Plot, from: number, to: number): Plot {
  const kept = given.x.flatMap((value, index) => (value >= from && value <= to ? [index] : []));
  return {
    x: kept.map((index) => given.x[index] ?? 0),
    lines: given.lines.map((line) => ({ ...line, values: kept.map((index) => line.values[index] ?? null) })),
    more: given.more,
  };
}

const hasValues = ({ values }: Line) => values.some((value) => value !== null);
const weight = ({ values }: Line) => values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
