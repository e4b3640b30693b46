import { describe, expect, it } from "vitest";
import type { PageSpan } from "../api/debug";
import { MessageTimes, percentile } from "./times";

function page() {
  const told: (readonly PageSpan[])[] = [];
  const frames: (() => void)[] = [];
  let now = 1_000;
  const times = new MessageTimes(
    async (spans) => told.push(spans),
    () => now,
    (done) => frames.push(done),
  );
  const at = (moment: number) => {
    now = moment;
    return times;
  };
  const paint = (moment: number) => {
    now = moment;
    for (const done of frames.splice(0)) done();
  };
  return { told, at, paint };
}

const token = { offset: 3, turnId: "t", type: "token", text: "x" };
const end = { offset: 9, turnId: "t", type: "end", state: "completed" };

describe("a message's way", () => {
  it("is told once, when it has ended and its first word is on the screen", () => {
    const { told, at, paint } = page();
    const about = at(1_020).sending("key", 1_000);
    expect(about.requestId).toBe("key");
    expect(about.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    at(1_050).acknowledged("key", "t");
    at(1_100).received(token);
    at(1_130).received({ ...token, offset: 4 });
    at(1_140).received({ offset: 5, turnId: "t", type: "usage", completionTokens: 2 });
    at(1_150).received(end);
    expect(told).toEqual([]);
    paint(1_160);
    at(1_200).received(end);
    expect(told).toHaveLength(1);
    const spans = Object.fromEntries((told[0] ?? []).map((span) => [span.name, span]));
    expect(spans.message).toMatchObject({ start: 1_000, ms: 150, requestId: "key", attributes: { turn: "t" } });
    expect(spans.message?.marks?.map(({ at }) => at)).toEqual([1_100, 1_160]);
    expect(spans.message?.parentId).toBeUndefined();
    expect(about.traceparent).toContain(spans.message?.id);
    expect(spans["wait in the outbox"]).toMatchObject({ start: 1_000, ms: 20, parentId: spans.message?.id });
    expect(spans["send over the socket"]).toMatchObject({ start: 1_020, ms: 30, attributes: { tries: 1 } });
    expect(spans["wait for the first token"]).toMatchObject({ start: 1_050, ms: 50 });
    expect(spans["receive the answer"]).toMatchObject({
      start: 1_100,
      ms: 30,
      attributes: { pauses: 1, p50: 30, p95: 30 },
    });
  });

  it("keeps its trace when it is sent again, and knows no others' turns", () => {
    const { told, at } = page();
    const first = at(1).sending("key", 0);
    expect(at(5).sending("key", 0)).toEqual(first);
    at(6).received({ ...end, turnId: "another" });
    at(7).acknowledged("key", "t");
    at(8).received({ offset: 3, turnId: "t", type: "error", code: "engine_failed" });
    at(9).received(end);
    expect(told[0]?.[0]).toMatchObject({ name: "message", error: "engine_failed" });
    expect(told[0]?.[2]?.attributes).toEqual({ tries: 2 });
    expect(told[0]).toHaveLength(3);
  });

  it("is forgotten when there are many", () => {
    const { told, at } = page();
    for (let index = 0; index < 100; index += 1) {
      at(index).sending(`k${index}`, index);
      at(index).acknowledged(`k${index}`, `t${index}`);
    }
    at(200).received({ ...end, turnId: "t0" });
    at(200).received({ ...end, turnId: "t99" });
    expect(told).toHaveLength(1);
  });
});

it("percentiles are values that were there", () => {
  expect([0, 50, 95, 100].map((part) => percentile([5, 1, 4, 2, 3], part))).toEqual([1, 3, 5, 5]);
  expect(percentile([], 50)).toBe(0);
});
