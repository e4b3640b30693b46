import { expect, it } from "vitest";
import type { EngineMetrics, Metrics } from "../../api/metrics";
import { memoryParts } from "./memory";

const engine = (name: string, rss: number | null) => ({ name, rss }) as EngineMetrics;
const moment = (used: number, total: number, own: number, engines: EngineMetrics[]) =>
  ({ host: { memory: { used, total } }, server: { rss: own }, engines }) as Metrics;

it("names what holds the memory, the largest engine first, and adds up to all of it", () => {
  const parts = memoryParts(moment(700, 1000, 50, [engine("a", 100), engine("b", 300), engine("c", null)]));
  expect(parts.map(({ label, bytes }) => [label, bytes])).toEqual([
    ["b", 300],
    ["a", 100],
    ["Corral itself", 50],
    ["Other programs", 250],
    ["Free", 300],
  ]);
});

it("never goes below nothing when engines share their pages", () => {
  const parts = memoryParts(moment(500, 600, 50, [engine("a", 400), engine("b", 400)]));
  expect(parts.slice(-2).map(({ bytes }) => bytes)).toEqual([0, 0]);
});
