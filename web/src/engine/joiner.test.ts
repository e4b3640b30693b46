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
