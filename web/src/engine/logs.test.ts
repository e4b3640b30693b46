import { describe, expect, it } from "vitest";
import type { LogLine } from "../api/logs";
import { LogRing, LogView, NO_FILTER, NOTE, rowText } from "./logs";

function line(number: number, more: Partial<LogLine> = {}): LogLine {
  return {
    id: String(number),
    at: "2026-11-21T08:00:00.000Z",
    level: "info",
    source: "corral.test",
    message: `line ${number}`,
    ...more,
  };
}

const lines = (from: number, to: number, more: Partial<LogLine> = {}) =>
  Array.from({ length: to - from }, (_, index) => line(from + index, more));

const shown = (view: LogView) => Array.from({ length: view.length }, (_, index) => view.at(index)?.line.id);

describe("LogRing", () => {
  it("keeps the newest lines, each once", () => {
    const ring = new LogRing(10);
    ring.push(lines(0, 8));
    ring.push(lines(4, 30));
    expect(ring.end - ring.first).toBe(10);
    expect(ring.at(ring.first)?.line.id).toBe("20");
    expect([ring.has("19"), ring.has("20"), ring.at(ring.first - 1)]).toEqual([false, true, undefined]);
  });

  it("names the sources", () => {
    const ring = new LogRing(5);
    ring.push([line(1, { source: "b" }), line(2, { source: "a" }), line(3, { source: "b" })]);
    expect(ring.sources()).toEqual(["a", "b"]);
  });
});

describe("LogView", () => {
  it("filters by level, source, text in any case, fields and request", () => {
    const ring = new LogRing();
    ring.push([
      line(1, { level: "debug" }),
      line(2, { level: "error", source: "engine:demo", message: "Out of (memory" }),
      line(3, { requestId: "req_1" }),
      line(5, { source: "engines", fields: { candidates: ["req_0", "req_1"] } }),
      line(4, { level: "warning", fields: { model: "Corral-Demo" } }),
    ]);
    const ids = (filter: Partial<typeof NO_FILTER>) => shown(new LogView(ring, { ...NO_FILTER, ...filter }));
    expect(ids({})).toEqual(["1", "2", "3", "5", "4"]);
    expect(ids({ source: "engine" })).toEqual(["2"]);
    expect(ids({ text: "ENGINE:" })).toEqual(["2"]);
    expect(ids({ level: "warning" })).toEqual(["2", "4"]);
    expect(ids({ source: "engine:demo" })).toEqual(["2"]);
    expect(ids({ text: " out of (MEM" })).toEqual(["2"]);
    expect(ids({ text: "model=corral" })).toEqual(["4"]);
    expect(ids({ requestId: "req_1" })).toEqual(["3", "5"]);
    expect(ids({ text: "nothing" })).toEqual([]);
  });

  it("stays the same as a fresh view through growth and loss", () => {
    const ring = new LogRing(300);
    const filter = { ...NO_FILTER, text: "7" };
    const view = new LogView(ring, filter);
    let next = 10_000;
    for (let step = 0; step < 60; step += 1) {
      const before = shown(view);
      ring.push(lines(next, next + ((step * 37) % 200)));
      next += (step * 37) % 200;
      const shift = view.shift;
      view.update();
      const gone = shift - view.shift;
      expect(shown(view)).toEqual(shown(new LogView(ring, filter)));
      if (before.length > gone) expect(shown(view)[0]).toBe(before[gone]);
    }
  });

  it("puts older lines before the others until the ring loses its own", () => {
    const ring = new LogRing(10);
    ring.push(lines(10, 15));
    const view = new LogView(ring, NO_FILTER);
    view.prepend(lines(7, 12));
    expect([view.shift, view.oldest()?.id]).toEqual([3, "7"]);
    view.prepend(lines(5, 8));
    expect(view.shift).toBe(5);
    expect(shown(view)).toEqual(["5", "6", "7", "8", "9", "10", "11", "12", "13", "14"]);
    ring.push(lines(15, 18));
    view.update();
    expect([view.shift, view.at(0)?.line.id]).toEqual([5, "5"]);
    ring.push(lines(18, 40));
    view.update();
    expect([view.shift, view.at(0)?.line.id]).toEqual([-8, "30"]);
  });

  it("always shows what this page itself has to say", () => {
    const ring = new LogRing();
    ring.push([line(1, { level: NOTE, source: "" })]);
    expect(new LogView(ring, { ...NO_FILTER, text: "x", source: "y", level: "error" }).length).toBe(1);
    expect(ring.sources()).toEqual([]);
  });

  it("takes in 100,000 lines and 5,000 more without looking at all again", () => {
    const ring = new LogRing();
    ring.push(lines(0, 100_000));
    const view = new LogView(ring, NO_FILTER);
    ring.push(lines(100_000, 105_000));
    view.update();
    expect(view.shift).toBe(-5_000);
    expect(view.length).toBe(ring.end - ring.first);
    expect(view.at(view.length - 1)?.line.id).toBe("104999");
    expect(view.indexOf("104990")).toBe(view.length - 10);
  });
});

it("puts the fields behind the message, on one line", () => {
  expect(rowText(line(1, { message: "a\n  b", fields: { n: 1, s: "x y", o: { k: null } } }))).toBe(
    'a ⏎ b n=1 s=x y o={"k":null}',
  );
});
