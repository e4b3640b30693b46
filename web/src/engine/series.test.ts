import { describe, expect, it } from "vitest";
import type { EngineMetrics, History, Metrics } from "../api/metrics";
import { append, between, enginePlot, MAX_LINES, plot, total, withGaps } from "./series";

const START = Date.UTC(2026, 10, 21, 8);
const NOTHING: History = { at: [], step: 10, host: {}, server: {}, engines: {}, more: 0 };

function engine(name: string, tokensPerSecond: number | null, state = "ready"): EngineMetrics {
  return {
    name,
    tokensPerSecond,
    state,
    rss: 1,
    cpu: 0,
    promptTokensPerSecond: null,
    slotsBusy: 0,
    slots: 4,
    kvUse: null,
    queue: 0,
    requests: 0,
  };
}

function point(second: number, cpu: number | null = 0.5, engines: EngineMetrics[] = []): Metrics {
  return {
    at: new Date(START + second * 1000).toISOString(),
    host: { cpu, cores: 2, memory: { used: 1, total: 2 }, disk: null, network: null, gpu: null, uptime: 1 },
    server: { rss: 1, cpu: null, uptime: 1 },
    engines,
  };
}

const history = (...points: Metrics[]) => points.reduce((known, one) => append(known, one, 600), NOTHING);

describe("append", () => {
  it("keeps what is young enough, each moment once, and all columns as long as the moments", () => {
    let known = NOTHING;
    for (let second = 0; second <= 1_000; second += 10)
      known = append(known, point(second, 0.1, second < 500 ? [engine("a", 1)] : [engine("b", 2)]), 600);
    expect(known.at).toHaveLength(61);
    expect(append(known, point(1_000), 600)).toBe(known);
    expect(append(known, point(500), 600)).toBe(known);
    const columns = [known.host, known.server, ...Object.values(known.engines)].flatMap(Object.values);
    expect(new Set(columns.map((column) => column.length))).toEqual(new Set([61]));
    expect(known.engines.a?.tokensPerSecond?.at(0)).toBe(1);
    expect(known.engines.a?.tokensPerSecond?.at(-1)).toBeNull();
  });

  it("forgets engines that have not run for the whole time", () => {
    let known = history(point(0, 0, [engine("a", 1), engine("b", 1, "stopped")]));
    expect(Object.keys(known.engines)).toEqual(["a"]);
    for (let second = 10; second <= 700; second += 10) known = append(known, point(second), 600);
    expect(known.engines).toEqual({});
  });

  it("sums up several graphics cards", () => {
    const given = point(0);
    given.host.gpu = [
      { name: "x", use: 0.2, memory: { used: 3, total: 9 } },
      { name: "y", use: 0.4, memory: { used: 4, total: 9 } },
    ];
    const known = history(given);
    expect(known.host.gpu?.[0]).toBeCloseTo(0.3);
    expect(known.host.gpuMemory).toEqual([7]);
  });
});

describe("plot", () => {
  it("has a value or a hole for each moment, and no line without any value", () => {
    const known = history(point(0, 0.1), point(10, null), point(20, 0.3));
    const shown = plot(known, { cpu: known.host.cpu, server: known.server.cpu, other: undefined });
    expect(shown.x).toEqual([0, 10, 20].map((second) => START / 1000 + second));
    expect(shown.lines).toEqual([{ label: "cpu", values: [0.1, null, 0.3] }]);
  });

  it("draws no line over a time without points", () => {
    const known = history(...[0, 10, 20, 100, 110].map((second) => point(second)));
    const shown = plot(known, { cpu: known.host.cpu });
    expect(shown.x.map((value) => value - START / 1000)).toEqual([0, 10, 20, 30, 100, 110]);
    expect(shown.lines[0]?.values).toEqual([0.5, 0.5, 0.5, null, 0.5, 0.5]);
  });

  it("takes uneven steps as they are", () => {
    const even = { x: [0, 9, 20, 31, 40], lines: [], more: 0 };
    expect(withGaps(even)).toBe(even);
  });

  it("is cut to what was marked", () => {
    const cut = between({ x: [1, 2, 3, 4], lines: [{ label: "a", values: [5, 6, null, 8] }], more: 2 }, 2, 3);
    expect(cut).toEqual({ x: [2, 3], lines: [{ label: "a", values: [6, null] }], more: 2 });
  });
});

it("adds columns up where they have values", () => {
  expect(total([[1, null, 3], undefined, [1, null, null]], 3)).toEqual([2, null, 3]);
});

describe("enginePlot", () => {
  it("lines up engines that come and go", () => {
    const known = history(
      point(0, 0, [engine("a", 1)]),
      point(10, 0, [engine("a", 2), engine("b", 3)]),
      point(20, 0, []),
    );
    expect(enginePlot(known, "tokensPerSecond", null).lines).toEqual([
      { label: "a", values: [1, 2, null] },
      { label: "b", values: [null, 3, null] },
    ]);
    expect(enginePlot(known, "tokensPerSecond", "b").lines.map(({ label }) => label)).toEqual(["b"]);
  });

  it("shows the busiest of very many and counts the others", () => {
    const engines = Array.from({ length: 50 }, (_, index) => engine(`m${String(index).padStart(2, "0")}`, index));
    const shown = enginePlot({ ...history(point(0, 0, engines)), more: 3 }, "tokensPerSecond", null);
    expect(shown.lines.map(({ label }) => label)).toEqual(["m44", "m45", "m46", "m47", "m48", "m49"]);
    expect([shown.lines.length, shown.more]).toEqual([MAX_LINES, 50 - MAX_LINES + 3]);
  });
});
