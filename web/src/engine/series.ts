import type { EngineMetrics, History, Metrics } from "../api/metrics";

type Column = readonly (number | null)[];
type Columns = Readonly<Record<string, Column>>;

/** One line of a chart; a value for each moment, null where there is none. */
export interface Line {
  label: string;
  values: Column;
}

/** What a chart shows: moments in seconds since 1970, ascending, and the lines over them. */
export interface Plot {
  x: readonly number[];
  lines: readonly Line[];
  /** How many further lines there would be. */
  more: number;
}

export const MAX_LINES = 6;
const LATE = 2.5;
const QUIET = new Set(["stopped", "failed"]);

/** The columns that a measurement adds to. */
function figures({ host, server, engines }: Metrics) {
  const cards = host.gpu ?? [];
  const uses = cards.map(({ use }) => use).filter((use) => use !== null);
  const known = {
    cpu: host.cpu,
    memory: host.memory.used,
    disk: host.disk?.used ?? null,
    gpu: uses.length === 0 ? null : uses.reduce((sum, use) => sum + use, 0) / uses.length,
    gpuMemory: cards.length === 0 ? null : cards.reduce((sum, { memory }) => sum + memory.used, 0),
  };
  const alive = engines.filter(({ state }) => !QUIET.has(state));
  return { host: known, server: { rss: server.rss, cpu: server.cpu }, alive };
}

const told = (engine: EngineMetrics): Record<string, number | null> => ({
  cpu: engine.cpu,
  rss: engine.rss,
  tokensPerSecond: engine.tokensPerSecond,
  promptTokensPerSecond: engine.promptTokensPerSecond,
  slotsBusy: engine.slotsBusy,
  kvUse: engine.kvUse,
  queue: engine.queue,
});

/** `history` with a newer measurement at its end, the last `span` seconds of it; one that is not newer changes nothing. */
export function append(history: History, point: Metrics, span: number): History {
  const moment = new Date(point.at).getTime();
  if (moment <= (history.at.at(-1) ?? 0)) return history;
  const from = history.at.findIndex((at) => at >= moment - span * 1000);
  const kept = from < 0 ? [] : history.at.slice(from);
  const start = history.at.length - kept.length;
  const grown = (columns: Columns, values: Record<string, number | null>): Columns =>
    Object.fromEntries(
      [...new Set([...Object.keys(columns), ...Object.keys(values)])].map((name) => [
        name,
        [...(columns[name]?.slice(start) ?? kept.map(() => null)), values[name] ?? null],
      ]),
    );
  const now = figures(point);
  const alive = new Map(now.alive.map((engine) => [engine.name, told(engine)]));
  const names = new Set([...Object.keys(history.engines), ...alive.keys()]);
  const engines = [...names].map((name) => [name, grown(history.engines[name] ?? {}, alive.get(name) ?? {})] as const);
  return {
    ...history,
    at: [...kept, moment],
    host: grown(history.host, now.host),
    server: grown(history.server, now.server),
    engines: Object.fromEntries(engines.filter(([, columns]) => Object.values(columns).some(hasValues))),
  };
}

/** The sum of columns at each moment, null where none has a value. */
export function total(columns: readonly (Column | undefined)[], length: number): Column {
  return Array.from({ length }, (_, index) => {
    const known = columns.map((column) => column?.[index] ?? null).filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
  });
}

/** The named columns as lines; those without any value are left out. */
export function plot({ at }: History, columns: Record<string, Column | undefined>): Plot {
  const lines = Object.entries(columns).map(([label, values]) => ({ label, values: values ?? [] }));
  return withGaps({
    x: at.map((moment) => moment / 1000),
    lines: lines.filter(({ values }) => hasValues(values)),
    more: 0,
  });
}

/** One line for each engine; of very many those with the highest values. */
export function enginePlot({ at, engines, more }: History, figure: string, only: string | null): Plot {
  const lines = Object.entries(engines)
    .filter(([name]) => only === null || name === only)
    .map(([label, columns]) => ({ label, values: columns[figure] ?? [] }))
    .filter(({ values }) => hasValues(values));
  const shown = [...lines].sort((a, b) => weight(b) - weight(a) || byName(a, b)).slice(0, MAX_LINES);
  return withGaps({
    x: at.map((moment) => moment / 1000),
    lines: shown.sort(byName),
    more: lines.length - shown.length + (only === null && lines.length > 0 ? more : 0),
  });
}

/** Puts an empty moment where points are missing, so that no line is drawn over what nobody has measured. */
export function withGaps(given: Plot): Plot {
  const { x, lines } = given;
  if (x.length < 3) return given;
  const steps = x.slice(1).map((value, index) => value - (x[index] ?? 0));
  const usual = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 0;
  const holes = steps.flatMap((step, index) => (step > usual * LATE ? [index + 1] : []));
  if (holes.length === 0) return given;
  const filled = { x: [...x], columns: lines.map(({ values }) => [...values]) };
  for (const hole of holes.reverse()) {
    filled.x.splice(hole, 0, (x[hole - 1] ?? 0) + usual);
    for (const values of filled.columns) values.splice(hole, 0, null);
  }
  return {
    x: filled.x,
    lines: lines.map(({ label }, index) => ({ label, values: filled.columns[index] ?? [] })),
    more: given.more,
  };
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

const hasValues = (values: Column) => values.some((value) => value !== null);
const weight = ({ values }: Line) => values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
const byName = (a: Line, b: Line) => a.label.localeCompare(b.label);
