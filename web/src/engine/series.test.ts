import { describe, expect, it } from "vitest";
import type { EngineMetrics, Metrics } from "../api/metrics";
import { append, between, enginePlot, MAX_LINES, plot, withGaps } from "./series";

const START = Date.UTC(2026, 10, 21, 8) / 1000;

function engine(name: string, tokensPerSecond: number | null): EngineMetrics {
  return {
    name,
    tokensPerSecond,
    state: "ready",
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
    at: new Date((START + second) * 1000).toISOString(),
    host: { cpu, cores: 2, memory: { used: 1, total: 2 }, disk: null, network: null, gpu: null, uptime: 1 },
    server: { rss: 1, cpu: null, uptime: 1 },
    engines,
  };
}

describe("append", () => {
  it("keeps what is young enough, each moment once", () => {
    let points: readonly Metrics[] = [];
    for (let second = 0; second <= 1_000; second += 10) points = append(points, point(second), 600);
    expect(points).toHaveLength(61);
    expect(append(points, point(1_000), 600)).toBe(points);
    expect(append(points, point(500), 600)).toBe(points);
  });
});

describe("plot", () => {
  it("has a value or a hole for each moment, and no line without any value", () => {
    const shown = plot([point(0, 0.1), point(10, null), point(20, 0.3)], {
      cpu: ({ host }) => host.cpu,
      uptime: ({ server }) => server.cpu,
    });
    expect(shown.x).toEqual([START, START + 10, START + 20]);
    expect(shown.lines).toEqual([{ label: "cpu", values: [0.1, null, 0.3] }]);
  });

  it("draws no line over a time without points", () => {
    const shown = plot(
      [0, 10, 20, 100, 110].map((second) => point(second)),
      { cpu: ({ host }) => host.cpu },
    );
    expect(shown.x.map((value) => value - START)).toEqual([0, 10, 20, 30, 100, 110]);
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

describe("enginePlot", () => {
  it("lines up engines that come and go", () => {
    const points = [point(0, 0, [engine("a", 1)]), point(10, 0, [engine("a", 2), engine("b", 3)]), point(20, 0, [])];
    expect(enginePlot(points, (one) => one.tokensPerSecond, null).lines).toEqual([
      { label: "a", values: [1, 2, null] },
      { label: "b", values: [null, 3, null] },
    ]);
    expect(enginePlot(points, (one) => one.tokensPerSecond, "b").lines.map(({ label }) => label)).toEqual(["b"]);
  });

  it("shows the busiest of very many and counts the others", () => {
    const engines = Array.from({ length: 50 }, (_, index) => engine(`m${String(index).padStart(2, "0")}`, index));
    const shown = enginePlot([point(0, 0, engines)], (one) => one.tokensPerSecond, null);
    expect(shown.lines.map(({ label }) => label)).toEqual(["m44", "m45", "m46", "m47", "m48", "m49"]);
    expect([shown.lines.length, shown.more]).toEqual([MAX_LINES, 50 - MAX_LINES]);
  });
});
