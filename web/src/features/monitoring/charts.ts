import type { EngineMetrics, HostMetrics, Metrics } from "../../api/metrics";
import { enginePlot, type Plot, plot } from "../../engine/series";
import { BYTE_RATE, BYTES, COUNT, PERCENT, TOKENS, type Unit } from "./units";

export interface Shown {
  title: string;
  unit: Unit;
  plot: Plot;
  top?: number | null;
  empty: string;
}

const NONE = "Nothing has been measured in this time.";
const NO_ENGINE = "No engine ran in this time. One starts with the first message to its model.";

function sum(engines: readonly EngineMetrics[], read: (engine: EngineMetrics) => number | null): number | null {
  const known = engines.map(read).filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
}

function used(part: { used: number; total: number } | null | undefined): number | null {
  return part && part.total > 0 ? part.used / part.total : null;
}

const share = (cores: number | null, all: number) => (cores === null ? null : Math.min(1, cores / all));

function graphics(points: readonly Metrics[]): Shown[] {
  const names = new Set<string>();
  for (const { host } of points)
    for (const [index, gpu] of (host.gpu ?? []).entries()) names.add(`${index} ${gpu.name}`);
  const each = (read: (gpu: NonNullable<HostMetrics["gpu"]>[number]) => number | null | undefined) =>
    Object.fromEntries(
      [...names].map((name) => [
        name,
        ({ host }: Metrics) => {
          const gpu = host.gpu?.[Number.parseInt(name, 10)];
          return gpu && read(gpu);
        },
      ]),
    );
  const empty = "This machine has no graphics card that Corral can ask. It reads NVIDIA cards through their driver.";
  const load = {
    title: "Graphics",
    unit: PERCENT,
    top: 1,
    plot: plot(
      points,
      each((gpu) => gpu.use),
    ),
    empty,
  };
  if (names.size === 0) return [load];
  const memory = plot(
    points,
    each((gpu) => gpu.memory.used),
  );
  const top = Math.max(...points.flatMap(({ host }) => (host.gpu ?? []).map((gpu) => gpu.memory.total))) || null;
  return [load, { title: "Graphics memory", unit: BYTES, top, plot: memory, empty: NONE }];
}

/** All charts about the machine. */
export function hostCharts(points: readonly Metrics[]): Shown[] {
  const memory = points.at(-1)?.host.memory.total ?? null;
  return [
    {
      title: "Processor",
      unit: PERCENT,
      top: 1,
      plot: plot(points, {
        Machine: ({ host }) => host.cpu,
        Engines: ({ host, engines }) =>
          share(
            sum(engines, ({ cpu }) => cpu),
            host.cores,
          ),
        "Corral itself": ({ host, server }) => share(server.cpu, host.cores),
      }),
      empty: NONE,
    },
    {
      title: "Memory",
      unit: BYTES,
      top: memory,
      plot: plot(points, {
        "In use": ({ host }) => host.memory.used,
        Engines: ({ engines }) => sum(engines, ({ rss }) => rss),
        "Corral itself": ({ server }) => server.rss,
      }),
      empty: NONE,
    },
    ...graphics(points),
    {
      title: "Disk",
      unit: PERCENT,
      top: 1,
      plot: plot(points, { "In use": ({ host }) => used(host.disk) }),
      empty: NONE,
    },
    {
      title: "Network",
      unit: BYTE_RATE,
      plot: plot(points, {
        Received: ({ host }) => host.network?.received,
        Sent: ({ host }) => host.network?.sent,
      }),
      empty: NONE,
    },
  ];
}

/** All charts about the engines, or about one of them. */
export function engineCharts(points: readonly Metrics[], only: string | null): Shown[] {
  const one = (
    title: string,
    unit: Unit,
    read: (engine: EngineMetrics) => number | null,
    top: number | null = null,
  ) => ({
    title,
    unit,
    top,
    plot: enginePlot(points, read, only),
    empty: NO_ENGINE,
  });
  return [
    one("Tokens written", TOKENS, (engine) => engine.tokensPerSecond),
    one("Prompt tokens read", TOKENS, (engine) => engine.promptTokensPerSecond),
    one("Slots at work", COUNT, (engine) => engine.slotsBusy),
    one("Context in use", PERCENT, (engine) => engine.kvUse, 1),
    one("Requests that wait", COUNT, (engine) => engine.queue),
    one("Memory of engines", BYTES, (engine) => engine.rss),
  ];
}
