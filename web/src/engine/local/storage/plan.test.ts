import { describe, expect, it } from "vitest";
import { FIRST_RANGE, LARGEST_RANGE, nextRange, nextSize, pause, Rate, wrong } from "./plan";

describe("ranges", () => {
  it.each([1, 2, 3, 7, 100])("cover a file of 100 bytes once, whatever their size (%d)", (size) => {
    const seen: number[] = [];
    let stored = 0;
    for (let range = nextRange(stored, 100, size); range; range = nextRange(stored, 100, size)) {
      for (let at = range.start; at < range.end; at++) seen.push(at);
      stored = range.end;
    }
    expect(seen).toEqual(Array.from({ length: 100 }, (_, at) => at));
  });

  it("go on where the file ends, and end with it", () => {
    expect(nextRange(30, 100, 50)).toEqual({ start: 30, end: 80 });
    expect(nextRange(100, 100, 50)).toBeNull();
    expect(nextRange(120, 100, 50)).toBeNull();
    expect(nextRange(0, 10, 0.5)).toEqual({ start: 0, end: 1 });
  });

  it("grow while the line is fast and shrink when it is slow, within bounds", () => {
    expect(nextSize(FIRST_RANGE, FIRST_RANGE, 10)).toBe(2 * FIRST_RANGE);
    expect(nextSize(8 * FIRST_RANGE, 8 * FIRST_RANGE, 60_000)).toBe(4 * FIRST_RANGE);
    expect(nextSize(LARGEST_RANGE, LARGEST_RANGE, 0)).toBe(LARGEST_RANGE);
    expect(nextSize(FIRST_RANGE, FIRST_RANGE, 1e9)).toBe(FIRST_RANGE);
  });
});

describe("the head of an answer", () => {
  const headers = (given: Record<string, string>) => (name: string) => given[name] ?? null;
  const range = { start: 10, end: 20 };

  it.each([
    [206, { "content-range": "bytes 10-19/100", "content-length": "10" }, true],
    [206, { "content-range": "bytes 10-19/100" }, true],
    [206, { "content-range": "bytes 10-19/101" }, false],
    [206, { "content-range": "bytes 0-9/100" }, false],
    [206, { "content-range": "bytes 10-19/*" }, false],
    [206, { "content-range": "bytes 10-19/100", "content-length": "11" }, false],
    [206, {}, false],
    [200, { "content-length": "100" }, true],
    [200, {}, true],
    [200, { "content-length": "99" }, false],
  ])("%d %j", (status, given, good) => {
    expect(wrong(range, 100, status, headers(given as Record<string, string>)) === null).toBe(good);
  });
});

describe("pauses", () => {
  it("double, with jitter, up to 30 seconds", () => {
    expect([1, 2, 3, 4, 5, 6, 20].map((attempt) => pause(attempt, 1))).toEqual([
      1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000,
    ]);
    expect(pause(3, 0)).toBe(2_000);
  });

  it("are as long as the server wishes, within the same bound", () => {
    expect(pause(1, 1, "7")).toBe(7_000);
    expect(pause(1, 1, "7000")).toBe(30_000);
    expect(pause(4, 1, "1")).toBe(8_000);
    expect(pause(1, 1, "Wed, 21 Oct 2026 07:28:00 GMT")).toBe(1_000);
  });
});

it("tells the rate of the last seconds only", () => {
  const rate = new Rate(5_000);
  expect(rate.at(0)).toBe(0);
  for (let second = 0; second < 20; second++) rate.add(1_000, second * 1_000);
  expect(rate.at(19_000)).toBeGreaterThan(900);
  expect(rate.at(19_000)).toBeLessThan(1_300);
  expect(rate.at(60_000)).toBe(0);
});
