import { expect, test } from "vitest";
import { Refused } from "../../engine/connection";
import { changesOf, conflictOf, reasonFor, reasonsOf, same, shown, unreadable } from "./entry";

test.each([
  [1, 1, true],
  [null, {}, false],
  [[1], { 0: 1 }, false],
  [{ a: [1, { b: null }] }, { a: [1, { b: null }] }, true],
  [{ a: 1 }, { a: 1, b: undefined }, false],
  [{ a: undefined }, { b: undefined }, false],
  [Number.NaN, Number.NaN, true],
])("%j and %j say the same: %s", (one, other, answer) => expect(same(one, other)).toBe(answer));

test("only what differs is a change", () => {
  const base = { name: "a", keys: [1, 2], on: true };
  expect(changesOf(base, { name: "a", keys: [1, 2], on: false })).toEqual({ on: false });
  expect(changesOf(base, { keys: [2, 1] })).toEqual({ keys: [2, 1] });
});

test("what cannot be read is found however deep it is", () => {
  expect(unreadable({ a: [{ b: Number.NaN }] })).toBe(true);
  expect(unreadable({ a: [{ b: 0 }], c: null, d: "" })).toBe(false);
});

test("reasons are found under either form of a name, and within it", () => {
  const error = new Refused("invalid_request", "no", {
    fields: { "timeouts.first_byte": "too long", "candidates.0.model": "is missing", base_url: "no address" },
  });
  const reasons = reasonsOf(error);
  expect(reasonFor(reasons, "timeouts.firstByte")).toBe("too long");
  expect(reasonFor(reasons, "baseUrl")).toBe("no address");
  expect(reasonFor(reasons, "candidates")).toBe("0.model: is missing");
  expect(reasonFor(reasons, "name")).toBeUndefined();
  expect(reasonsOf(new Refused("invalid_request", "too long", { field: "name" }))).toEqual({ name: "too long" });
  expect(reasonsOf(new Error("no"))).toEqual({});
});

test("what somebody else saved is told field by field", () => {
  const error = new Refused("conflict", "changed", { version: 2, diff: { enabled: { yours: true, now: false } } });
  expect(conflictOf(error)).toEqual([{ field: "enabled", yours: true, now: false }]);
  expect(conflictOf(new Refused("conflict", "taken"))).toBeNull();
  expect(conflictOf(new Refused("not_found", "gone", { diff: {} }))).toBeNull();
});

test("values in a few words", () => {
  expect([null, "", true, 3, { a: 1 }].map(shown)).toEqual(["not set", "not set", "yes", "3", '{"a":1}']);
});
