import { expect, it } from "vitest";
import { keepDrafts, readDrafts } from "./drafts";

function shelf(content?: string) {
  const kept = new Map<string, string>(content === undefined ? [] : [["corral.drafts.v1", content]]);
  return { getItem: (key: string) => kept.get(key) ?? null, setItem: (k: string, v: string) => void kept.set(k, v) };
}

it("keeps what is written and forgets what was sent", () => {
  const kept = shelf();
  keepDrafts(kept, { a: "one", b: "two" }, ["a", "b"]);
  keepDrafts(kept, { a: "", b: "two" }, ["a"]);
  expect(readDrafts(kept)).toEqual({ b: "two" });
});

it("leaves the drafts of other tabs", () => {
  const kept = shelf(JSON.stringify({ other: "theirs" }));
  keepDrafts(kept, { a: "mine" }, ["a"]);
  expect(readDrafts(kept)).toEqual({ other: "theirs", a: "mine" });
});

it.each(["{", "null", "[]", '{"a": 5}'])("reads nothing from %s", (content) => {
  expect(readDrafts(shelf(content))).toEqual({});
});
