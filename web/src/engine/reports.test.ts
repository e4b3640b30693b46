import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PageError } from "../api/debug";
import { placed, Reports } from "./reports";

const told: PageError[][] = [];
const make = () =>
  new Reports(
    async (errors) => told.push([...errors]),
    () => 7,
  );

beforeEach(() => {
  told.length = 0;
  vi.useFakeTimers();
});
afterEach(() => void vi.useRealTimers());

describe("reports", () => {
  it("gather for a while and go together", () => {
    const reports = make();
    reports.note("device_memory", "answer on this device", { requestId: "k" });
    reports.uncaught(new TypeError("he wrote: my secret"), "page");
    expect(told).toEqual([]);
    vi.runAllTimers();
    expect(told).toHaveLength(1);
    expect(told[0]?.[0]).toEqual({ code: "device_memory", where: "answer on this device", at: 7, requestId: "k" });
    expect(told[0]?.[1]?.code).toBe("page_failed");
    expect(JSON.stringify(told)).not.toContain("secret");
  });

  it("are few, whatever goes wrong how often", () => {
    const reports = make();
    for (let round = 0; round < 300; round++) {
      reports.note("same", "page");
      reports.note(`other_${round}`, "page");
      if (round % 10 === 0) vi.runAllTimers();
    }
    vi.runAllTimers();
    const all = told.flat();
    expect(all.filter(({ code }) => code === "same")).toHaveLength(3);
    expect(all).toHaveLength(200);
    expect(Math.max(...told.map((batch) => batch.length))).toBeLessThanOrEqual(32);
  });

  it("leave out what is no failure", () => {
    const reports = make();
    reports.uncaught(new DOMException("x", "AbortError"), "page");
    reports.uncaught(new Error("ResizeObserver loop completed with undelivered notifications."), "page");
    reports.uncaught("Script error.", "page");
    vi.runAllTimers();
    expect(told).toEqual([]);
  });

  it("survive a server that is away", () => {
    const reports = new Reports(() => Promise.reject(new Error("away")));
    reports.note("x", "page");
    expect(() => vi.runAllTimers()).not.toThrow();
  });

  it("say the kind and the place", () => {
    const error = new RangeError("words");
    error.stack = "RangeError: words\n    at f (http://127.0.0.1:3000/assets/chat-Ab_1.js:1:2345)";
    expect(placed(error)).toBe("RangeError at chat-Ab_1.js:1:2345");
    expect(placed("words")).toBe("string");
  });
});
