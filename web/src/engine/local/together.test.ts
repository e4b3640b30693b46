import { describe, expect, it } from "vitest";
import { historyOf, together } from "./together";

describe("the messages of both places", () => {
  const message = (seq: number, role: string, turnId: string | null) => ({
    id: `${seq}`,
    seq,
    role,
    content: `m${seq}`,
    state: "completed",
    turnId,
    createdAt: "",
  });
  const turn = {
    key: "k",
    conversation: "agt_1",
    order: 1,
    after: 3,
    message: "q",
    answer: "a",
    state: "running",
    model: "Cria",
    createdAt: 0,
  } as const;
  const server = [message(1, "system", null), message(2, "user", "trn_1"), message(3, "assistant", "trn_1")];

  it("are in one order, and a turn that both have is shown once", () => {
    expect(together(server, [turn], () => false).map((one) => [one.seq, one.content])).toEqual([
      [1, "m1"],
      [2, "m2"],
      [3, "m3"],
      [4, "q"],
      [5, "a"],
    ]);
    const both = [...server, message(4, "user", "trn_k"), message(5, "assistant", "trn_k")];
    const known = { ...turn, turnId: "trn_k" };
    expect(together(both, [known], () => false).map((one) => one.content)).toEqual(["m1", "m2", "m3", "m4", "m5"]);
    expect(together(both, [known], () => true).map((one) => one.content)).toEqual(["m1", "m2", "m3", "q", "a"]);
  });

  it("are what a model is told of, up to where it answers", () => {
    expect(historyOf(server, 3)).toEqual([
      { role: "system", content: "m1" },
      { role: "user", content: "m2" },
      { role: "assistant", content: "m3" },
    ]);
    expect(historyOf(server, 1)).toHaveLength(1);
  });
});
