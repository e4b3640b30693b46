import { expect, it } from "vitest";
import { nextSentences } from "./speech";

it("gives whole sentences once and keeps the rest", () => {
  const first = nextSentences("It is 3.5 km. Then we", 0, false);
  expect(first.words).toBe("It is 3.5 km.");
  const second = nextSentences("It is 3.5 km. Then we rest. No", first.upTo, false);
  expect(second.words).toBe("Then we rest.");
  expect(nextSentences("It is 3.5 km. Then we rest. No more", second.upTo, true).words).toBe("No more");
});

it("waits with a full stop at the end of what is there", () => {
  expect(nextSentences("It costs 3.", 0, false)).toEqual({ words: "", upTo: 0 });
});

it("ends a sentence at a line's end and leaves marks out", () => {
  expect(nextSentences("## A *title*\n- one\n- tw", 0, false).words).toBe("A title - one");
});
