import { describe, expect, it } from "vitest";
import type { FlameNode, Span } from "../../api/debug";
import type { Message } from "../../api/types";
import { entriesOf } from "./events";
import { boxes, next } from "./flame";
import { asCurl, askedFor, modelRequest } from "./request";
import { clockShift, took, waterfall } from "./waterfall";

const span = (id: string, parentId: string | null, start: number, ms: number, more: Partial<Span> = {}): Span => ({
  id,
  parentId,
  traceId: "t",
  name: id,
  layer: "agents",
  start,
  ms,
  attributes: {},
  error: null,
  marks: [],
  ...more,
});

describe("the waterfall", () => {
  it("is a tree by beginning, each bar in its place", () => {
    const spans = [span("turn", "click", 120, 80), span("click", null, 100, 100), span("queue", "turn", 120, 20)];
    const { rows, start, ms } = waterfall(spans);
    expect([start, ms]).toEqual([100, 100]);
    expect(rows.map((row) => [row.span.id, row.depth, row.from, row.to])).toEqual([
      ["click", 0, 0, 1],
      ["turn", 1, 0.2, 1],
      ["queue", 2, 0.2, 0.4],
    ]);
  });

  it("shows each span once, whatever parents are told", () => {
    const loops = [span("a", "b", 1, 1), span("b", "a", 1, 1), span("c", "c", 1, 1), span("d", "gone", 1, 0)];
    expect(waterfall(loops).rows.map((row) => row.span.id)).toEqual(["c", "d"]);
    expect(waterfall([]).rows).toEqual([]);
    expect(waterfall([span("a", null, 5, 0)]).rows[0]?.from).toBe(0);
  });

  it("moves a browser's clock that differs, and leaves one that fits", () => {
    const sent = span("send over the socket", "m", 1_000, 40, { layer: "browser" });
    const served = (start: number) => span("intent chat:send", "m", start, 20, { layer: "realtime" });
    expect(clockShift([sent, served(1_010)])).toBe(0);
    expect(clockShift([sent, served(6_000)])).toBe(4_990);
    const moved = waterfall([sent, served(6_000)]);
    expect(moved.rows.map((row) => row.after)).toEqual([0, 10]);
  });

  it("says times in a few letters", () => {
    expect([0.04, 3.21, 412.4, 2_345, 45_678].map(took)).toEqual(["0.04 ms", "3.2 ms", "412 ms", "2.35 s", "45.7 s"]);
  });
});

const node = (name: string, cpuMs: number, children: FlameNode[] = []): FlameNode => ({
  name,
  file: "x.py",
  line: 1,
  cpuMs,
  wallMs: cpuMs,
  children,
});

describe("the flame graph", () => {
  const tree = node("all", 100, [node("a", 30), node("b", 60, [node("c", 60)]), node("dust", 0.1)]);

  it("puts the widest first and leaves out what nobody could see", () => {
    expect(boxes(tree, "cpuMs").map((box) => [box.node.name, box.depth, box.from, box.width])).toEqual([
      ["all", 0, 0, 1],
      ["b", 1, 0, 0.6],
      ["c", 2, 0, 0.6],
      ["a", 1, 0.6, 0.3],
    ]);
    expect(boxes(node("idle", 0), "cpuMs")).toEqual([]);
  });

  it("can be walked with the arrow keys", () => {
    const all = boxes(tree, "cpuMs");
    const walk = (keys: string[]) => keys.reduce((at, key) => next(all, at, key)?.id ?? at, "0");
    const name = (keys: string[]) => all.find((box) => box.id === walk(keys))?.node.name;
    expect(name(["ArrowDown"])).toBe("b");
    expect(name(["ArrowDown", "ArrowRight"])).toBe("a");
    expect(name(["ArrowDown", "ArrowRight", "ArrowLeft", "ArrowDown"])).toBe("c");
    expect(name(["ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp", "Home"])).toBe("all");
  });
});

const message = (seq: number, role: string, content: string, turnId: string | null): Message => ({
  id: `m${seq}`,
  seq,
  role,
  content,
  state: "completed",
  turnId,
  createdAt: "",
});

describe("the raw request", () => {
  const messages = [
    message(1, "system", "be kind", null),
    message(2, "user", "it's", "t1"),
    message(3, "assistant", "yes", "t1"),
    message(4, "user", "and?", "t2"),
    message(5, "assistant", "no", "t2"),
  ];

  it("has what was sent, and what the model got", () => {
    expect(askedFor(messages, "t1", "agt", null)).toEqual({ message: "it's", agentId: "agt" });
    expect(modelRequest(messages, "t2", "m")).toMatchObject({
      model: "m",
      messages: [{ role: "system" }, { role: "user" }, { role: "assistant" }, { role: "user", content: "and?" }],
    });
    expect(askedFor(messages, "t9", "agt", null)).toBeNull();
    expect(modelRequest(messages, "t9", null)).toBeNull();
  });

  it("can be pasted into a shell, whatever was written", () => {
    expect(asCurl("http://h/api", { message: "it's `$x`" })).toBe(
      `curl -N 'http://h/api' \\\n  -H 'content-type: application/json' \\\n  -d '{"message":"it'\\''s \`$x\`"}'`,
    );
  });
});

it("the event log tells attempts, commits and where a server ended", () => {
  const events = [
    { offset: 0, type: "accepted" },
    { offset: 1, type: "status", state: "queued" },
    { offset: 2, type: "status", state: "running" },
    { offset: 3, type: "token", text: "a" },
    { offset: 4, type: "token", text: "b" },
    { offset: 5, type: "status", state: "running" },
    { offset: 6, type: "token", text: "c".repeat(400) },
    { offset: 7, type: "end", state: "completed" },
  ].map((event) => ({ turnId: "t", ...event }));
  const marks = [
    { at: 50, name: "first token on disk" },
    { at: 50, name: "offset 4" },
    { at: 90, name: "offset 6" },
  ];
  const spans = [
    span("commit the tokens", null, 1, 99, { marks }),
    span("commit the message", null, 0, 5),
    span("claim the turn", null, 10, 3),
    span("commit the end", null, 95, 5),
  ];
  const entries = entriesOf(events, spans);
  expect(entries.map(({ attempt, at, mark }) => [attempt, at, mark])).toEqual([
    [0, 5, null],
    [0, 5, null],
    [1, 13, null],
    [1, 50, null],
    [1, 50, null],
    [2, 13, "woken"],
    [2, 90, null],
    [2, 100, null],
  ]);
  expect(entries[6]?.says).toHaveLength(161);
  expect(entriesOf(events, [])[3]?.at).toBeNull();
});
