import { expect, it } from "vitest";
import { keepUnread, markUnread, readUnread } from "./unread";

const none = { pending: [], unread: [] };
const agents = (state: string) => [
  { id: "a", state },
  { id: "b", state: "idle" },
];

it("marks an answer that ended out of sight until it is looked at", () => {
  const working = markUnread(none, agents("running"), "b");
  expect(working).toEqual({ pending: ["a"], unread: [] });
  const ended = markUnread(working, agents("idle"), "b");
  expect(ended).toEqual({ pending: [], unread: ["a"] });
  expect(markUnread(ended, agents("idle"), "a")).toEqual(none);
});

it("marks nothing that ends in sight or is gone", () => {
  expect(markUnread(markUnread(none, agents("running"), "a"), agents("idle"), "a")).toEqual(none);
  expect(markUnread({ pending: ["gone"], unread: ["gone too"] }, agents("idle"), null)).toEqual(none);
});

it("is kept, and survives nonsense on the shelf", () => {
  const kept = new Map<string, string>([["corral.unread.v1", "{"]]);
  const shelf = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (k: string, v: string) => void kept.set(k, v),
  };
  expect(readUnread(shelf)).toEqual(none);
  keepUnread(shelf, { pending: ["a"], unread: ["b"] });
  expect(readUnread(shelf)).toEqual({ pending: ["a"], unread: ["b"] });
});
