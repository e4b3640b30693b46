import { expect, test } from "vitest";
import { type Frame, framing, MAX_FRAME } from "./frames";

const event = (data: string, name: string | null = null): Frame => ({ kind: "event", name, data });

function read(mediaType: string, text: string, cuts: readonly number[] = []): Frame[] {
  const reader = framing(mediaType);
  if (!reader) throw new Error("no stream");
  const places = [0, ...cuts, text.length];
  const found = places.slice(1).flatMap((to, at) => reader.push(text.slice(places[at], to)));
  return [...found, ...reader.end()];
}
const SSE = "text/event-stream; charset=utf-8";

test.each([
  ["data: a\n\ndata: b\n\n", [event("a"), event("b")]],
  ["event: x\ndata: a\ndata: b\n\n", [event("a\nb", "x")]],
  ["data:a\r\n\r\ndata:  b\r\rdata\n\n", [event("a"), event(" b"), event("")]],
  ["\ufeffdata: a\n\n", [event("a")]],
  [": keep-alive\n\ndata: a\n\n", [{ kind: "comment", name: null, data: "keep-alive" }, event("a")]],
  ["id: 1\nretry: 5\nevent: only\n\ndata: a\n\n", [event("a")]],
  ["data: a\n\ndata: half", [event("a")]],
  ["data: a\r\n\r", [event("a")]],
])("events of %j", (text, frames) => {
  expect(read(SSE, text)).toEqual(frames);
});

test("any cut of the bytes gives the same events", () => {
  const text = '\ufeff: hello\r\n\r\nevent: delta\r\ndata: {"a":1}\r\n\r\ndata: x\rdata: y\r\rdata: [DONE]\n\n';
  const whole = read(SSE, text);
  expect(whole).toHaveLength(4);
  for (let first = 1; first < text.length; first += 1)
    for (let second = first; second < text.length; second += 1) expect(read(SSE, text, [first, second])).toEqual(whole);
});

test("lines of JSON, the last one without its end too", () => {
  const text = '{"a":1}\n\r\n{"b":2}\r\n{"c":3}';
  const whole = [event('{"a":1}'), event('{"b":2}'), event('{"c":3}')];
  for (let cut = 0; cut <= text.length; cut += 1) expect(read("application/x-ndjson", text, [cut])).toEqual(whole);
});

test("a piece without end is given up", () => {
  const reader = framing(SSE);
  const line = `data: ${"x".repeat(MAX_FRAME / 4)}\n`;
  expect(() => {
    for (let round = 0; round < 5; round += 1) reader?.push(line);
  }).toThrow("without end");
  expect(() => framing("application/x-ndjson")?.push("x".repeat(MAX_FRAME + 1))).toThrow("without end");
});

test("an answer that is no stream is none", () => expect(framing("application/json")).toBeNull());
