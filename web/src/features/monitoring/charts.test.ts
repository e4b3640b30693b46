import { describe, expect, it } from "vitest";
import type { History, Metrics } from "../../api/metrics";
import { engineCharts, hostCharts } from "./charts";
import { axisStamp, BYTES, COUNT, PERCENT, stamp, TOKENS, tick } from "./units";

const AT = [0, 10, 20].map((second) => Date.UTC(2026, 10, 21, 8) + second * 1000);
const HISTORY: History = {
  at: AT,
  step: 10,
  host: { cpu: [0.1, null, 0.3], memory: [5, 6, 7], disk: [1, 1, 1], gpu: [0.5, 0.6, 0.7], gpuMemory: [3, 3, 3] },
  server: { cpu: [0.2, 0.2, 0.2], rss: [1, 1, 1] },
  engines: {
    b: { cpu: [4, 4, 4], rss: [2, 2, 2], queue: [0, 1, 0] },
    a: { cpu: [null, 1, 1], rss: [null, 3, 3], queue: [null, 2, 0] },
  },
  more: 0,
};
const LATEST = {
  host: { cores: 4, memory: { used: 7, total: 64 }, disk: { used: 1, total: 100 }, gpu: null },
} as Metrics;

describe("hostCharts", () => {
  const named = (latest: Metrics | undefined) =>
    Object.fromEntries(hostCharts(HISTORY, latest).map((chart) => [chart.title, chart]));

  it("shows shares of all cores, sums of engines, and how much there is", () => {
    const { Processor, Memory } = named(LATEST);
    expect(Processor?.plot.lines).toEqual([
      { label: "Machine", values: [0.1, null, 0.3] },
      { label: "Engines", values: [1, 1, 1] },
      { label: "Corral itself", values: [0.05, 0.05, 0.05] },
    ]);
    expect([Memory?.top, Memory?.plot.lines[1]]).toEqual([64, { label: "Engines", values: [2, 5, 5] }]);
  });

  it("has charts of graphics cards only where there are some", () => {
    expect(Object.keys(named(LATEST))).toEqual(["Processor", "Memory", "Disk"]);
    const gpu = [{ name: "Card", use: 0.7, memory: { used: 3, total: 24 } }];
    const { Graphics, "Graphics memory": memory } = named({ ...LATEST, host: { ...LATEST.host, gpu } });
    expect([Graphics?.plot.lines[0]?.label, memory?.top]).toEqual(["Card", 24]);
  });

  it("claims no shares before it knows the machine", () => {
    expect(named(undefined).Processor?.plot.lines.map(({ label }) => label)).toEqual(["Machine"]);
  });
});

it("shows all engines or one", () => {
  const queue = (only: string | null) =>
    engineCharts(HISTORY, only).find(({ title }) => title === "Requests that wait");
  expect(queue(null)?.plot.lines.map(({ label }) => label)).toEqual(["a", "b"]);
  expect(queue("a")?.plot.lines).toEqual([{ label: "a", values: [null, 2, 0] }]);
  expect(queue("other")?.plot.lines).toEqual([]);
});

it("writes values with their units, and a dash where there is none", () => {
  expect([PERCENT, BYTES, TOKENS, COUNT].map((unit) => unit.say(null))).toEqual(["–", "–", "–", "–"]);
  expect([PERCENT.say(0.314), BYTES.say(1.5e9), TOKENS.say(58.25), COUNT.say(3)]).toEqual([
    "31 %",
    "1.5 GB",
    "58.3 tok/s",
    "3",
  ]);
  expect([tick(PERCENT, 0.5), tick(TOKENS, 1_500)]).toEqual(["50 %", "1,500"]);
});

it("says the day only where there are several", () => {
  const moment = new Date(2026, 10, 21, 8, 5, 9).getTime() / 1000;
  expect(axisStamp(moment, 600)).toBe("08:05");
  expect(axisStamp(moment, 60)).toBe("08:05:09");
  expect(axisStamp(moment, 30 * 86_400)).toMatch(/21/);
  expect(stamp(moment, 3_600)).toBe("08:05:09");
  expect(stamp(moment, 7 * 86_400)).toMatch(/21.*08:05/);
});
