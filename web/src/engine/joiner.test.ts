import { expect, it } from "vitest";
import { TurnJoiner } from "./joiner";

const token = (offset: number, text: string) => ({ offset, turnId: "trn_1", type: "token", text });

it("joins tokens once and in order, whatever is sent again", () => {
  const joiner = new TurnJoiner("trn_1");
  const log = [
    { offset: 0, turnId: "trn_1", type: "accepted" },
    { offset: 1, turnId: "trn_1", type: "status", state: "running" },
    token(2, "Hé"),
    token(3, "llo 漢"),
    token(4, "🦙"),
  ];
  for (const event of log.slice(0, 4)) joiner.apply(event);
  for (const event of log) joiner.apply(event);
  expect(joiner.view.text).toBe("Héllo 漢🦙");
  expect(joiner.view.state).toBe("writing");
  expect(joiner.next).toBe(5);
});

it("refuses an event beyond a gap and asks from where it stands", () => {
  const joiner = new TurnJoiner("trn_1");
  expect(joiner.apply(token(0, "a"))).toBe("applied");
  expect(joiner.apply(token(2, "c"))).toBe("gap");
  expect(joiner.next).toBe(1);
  expect(joiner.apply(token(0, "a"))).toBe("old");
  expect(joiner.apply(token(1, "b"))).toBe("applied");
  expect(joiner.apply(token(2, "c"))).toBe("applied");
  expect(joiner.view.text).toBe("abc");
});

it("ends with the state of the end event and keeps the error", () => {
  const joiner = new TurnJoiner("trn_1");
  joiner.apply({ offset: 0, turnId: "trn_1", type: "error", code: "engine_failed", message: "It broke." });
  joiner.apply({ offset: 1, turnId: "trn_1", type: "end", state: "failed" });
  expect(joiner.view).toMatchObject({ ended: true, state: "failed", error: "It broke." });
});

const status = (offset: number) => ({ offset, turnId: "trn_1", type: "status", state: "running" });
const usage = (offset: number) => ({ offset, turnId: "trn_1", type: "usage", completionTokens: 3 });
const end = (offset: number) => ({ offset, turnId: "trn_1", type: "end", state: "completed" });

function play(witnessed: boolean, events: { offset: number; turnId: string; type: string }[]) {
  let clock = 0;
  const joiner = new TurnJoiner("trn_1", witnessed, () => (clock += 250));
  for (const event of events) joiner.apply(event);
  return joiner.view;
}

it("counts tokens, and takes the time of an answer that it saw from its beginning", () => {
  const events = [status(0), token(1, "a"), token(2, "b"), token(3, "c"), usage(4), end(5)];
  expect(play(true, events)).toMatchObject({ tokens: 3, took: 500 });
  expect(play(false, events)).toMatchObject({ tokens: 3, took: null });
});

it("tells no figures of an answer that was interrupted", () => {
  const events = [status(0), token(1, "a"), status(2), token(3, "b"), usage(4), end(5)];
  expect(play(true, events)).toMatchObject({ text: "ab", tokens: null, took: null });
});

it("tells that the oldest messages were left out, which is no new attempt", () => {
  const left = { offset: 1, turnId: "trn_1", type: "status", state: "running", leftOut: 4 };
  const events = [status(0), left, token(2, "a"), token(3, "b"), usage(4), end(5)];
  expect(play(true, events)).toMatchObject({ text: "ab", leftOut: 4, tokens: 3 });
});
