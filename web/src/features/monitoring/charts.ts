import type { History, Metrics } from "../../api/metrics";
import { enginePlot, type Plot, plot, total } from "../../engine/series";
import { BYTES, COUNT, PERCENT, TOKENS, type Unit } from "./units";

export interface Shown {
  title: string;
  unit: Unit;
  plot: Plot;
  top?: number | null;
  empty: string;
}

type Column = readonly (number | null)[];

const NONE = "Nothing has been measured in this time.";
const NO_ENGINE = "No engine ran in this time. One starts with the first message to its model.";

/** A column over its whole, at most one. */
function share(column: Column | undefined, whole: number | undefined): Column | undefined {
  if (!whole) return undefined;
  return column?.map((value) => (value === null ? null : Math.min(1, value / whole)));
}

/** All charts about the machine; `latest` says how much of everything there is. */
export function hostCharts(history: History, latest: Metrics | undefined): Shown[] {
  const { at, host, server, engines } = history;
  const all = (figure: string) =>
    total(
      Object.values(engines).map((columns) => columns[figure]),
      at.length,
    );
  const machine = latest?.host;
  const cards = machine?.gpu ?? [];
  const charts: Shown[] = [
    {
      title: "Processor",
      unit: PERCENT,
      top: 1,
      plot: plot(history, {
        Machine: host.cpu,
        Engines: share(all("cpu"), machine?.cores),
        "Corral itself": share(server.cpu, machine?.cores),
      }),
      empty: NONE,
    },
    {
      title: "Memory",
      unit: BYTES,
      top: machine?.memory.total,
      plot: plot(history, { "In use": host.memory, Engines: all("rss"), "Corral itself": server.rss }),
      empty: NONE,
    },
    {
      title: "Disk",
      unit: BYTES,
      top: machine?.disk?.total,
      plot: plot(history, { "In use": host.disk }),
      empty: NONE,
    },
  ];
  if (cards.length === 0) return charts;
  const memory = cards.reduce((sum, card) => sum + card.memory.total, 0);
  const name = cards.length > 1 ? `${cards.length} cards` : (cards[0]?.name ?? "");
  return [
    ...charts,
    { title: "Graphics", unit: PERCENT, top: 1, plot: plot(history, { [name]: host.gpu }), empty: NONE },
    {
      title: "Graphics memory",
      unit: BYTES,
      top: memory,
      plot: plot(history, { [name]: host.gpuMemory }),
      empty: NONE,
    },
  ];
}

/** All charts about the engines, or about one of them. */
export function engineCharts(history: History, only: string | null): Shown[] {
  const one = (title: string, unit: Unit, figure: string, top: number | null = null): Shown => ({
    title,
    unit,
    top,
    plot: enginePlot(history, figure, only),
    empty: NO_ENGINE,
  });
  return [
    one("Tokens written", TOKENS, "tokensPerSecond"),
    one("Prompt tokens read", TOKENS, "promptTokensPerSecond"),
    one("Slots at work", COUNT, "slotsBusy"),
    one("Context in use", PERCENT, "kvUse", 1),
    one("Requests that wait", COUNT, "queue"),
    one("Memory of engines", BYTES, "rss"),
  ];
}
