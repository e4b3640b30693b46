import { beforeEach, describe, expect, it } from "vitest";
import { asked, World } from "./journal-world";

let world: World;

beforeEach(() => {
  world = new World();
});

describe("a sync", () => {
  it("brings what waits in its order, and empties the journal", async () => {
    for (const [at, text] of ["a", "b", "c"].entries()) await world.offline(text, 3 + 2 * at);
    const { journal, syncer, confirmed } = world.tab();
    await syncer.sync();
    expect(world.remote.got.map(({ turns }) => turns.map((turn) => turn.key))).toEqual([["a", "b", "c"]]);
    expect(world.remote.got[0]).toMatchObject({ agentId: "agt_1", after: 3 });
    expect(journal.turns()).toEqual([]);
    expect(confirmed).toHaveBeenCalledOnce();
    await syncer.sync();
    expect(world.remote.got).toHaveLength(1);
  });

  it("brings the same again when the answer was lost, and it is there once", async () => {
    await world.offline("a");
    await world.offline("b", 5);
    world.remote.lost = 1;
    const { journal, syncer } = world.tab();
    await syncer.sync();
    expect(journal.turns()).toHaveLength(2);
    await syncer.sync();
    expect(journal.turns()).toEqual([]);
    expect([...world.remote.placed.values()].map((one) => one.seq)).toEqual([4, 6]);
  });

  it("follows a fork with what comes after it, and tells where it is", async () => {
    world.remote.length.set("agt_1", 7);
    await world.offline("a");
    const { journal, syncer } = world.tab();
    await syncer.sync();
    const fork = journal.heads().find((head) => head.id === "agt_1")?.forked;
    expect(fork?.agentId).toBe("fork_0");
    await journal.add({
      ...asked("x"),
      key: "b",
      conversation: fork?.agentId ?? "",
      after: 5,
      message: "b",
      answer: "",
      state: "completed",
      model: "Cria",
    });
    await syncer.sync();
    expect(world.remote.placed.get("b")).toMatchObject({ agentId: "fork_0", seq: 6 });
    await journal.seen("agt_1");
    expect(journal.heads().find((head) => head.id === "agt_1")?.forked).toBeUndefined();
  });

  it("gives a conversation that began here its place, once, whatever is cut off", async () => {
    await world.offline("a", 1, "local-1");
    await world.offline("b", 3, "local-1");
    world.remote.lost = 2;
    const { journal, syncer } = world.tab();
    for (let tries = 0; tries < 3; tries++) await syncer.sync();
    expect([...world.remote.placed.values()].map((one) => [one.agentId, one.seq])).toEqual([
      ["agt_new", 2],
      ["agt_new", 4],
    ]);
    expect(journal.heads().find((head) => head.id === "local-1")?.forked?.agentId).toBe("agt_new");
  });

  it("waits for an answer under way, and does not hold up other conversations", async () => {
    await world.offline("a");
    await world.offline("other", 1, "local-2");
    world.remote.busy = 1;
    const { journal, syncer } = world.tab();
    await syncer.sync();
    expect(journal.turns().map((turn) => turn.key)).toEqual(["a"]);
    await syncer.sync();
    expect(journal.turns()).toEqual([]);
  });

  it("keeps what is refused with the reason, and what follows it waits", async () => {
    await world.offline("bad");
    await world.offline("b", 5);
    await world.offline("c", 1, "local-3");
    const { journal, syncer } = world.tab();
    await syncer.sync();
    expect(journal.turns().map((turn) => [turn.key, turn.problem])).toEqual([
      ["bad", "invalid_request"],
      ["b", undefined],
    ]);
  });

  it("makes a new conversation when the server has lost the old one", async () => {
    world.remote.gone.add("agt_1");
    await world.offline("a");
    const { journal, syncer } = world.tab();
    await syncer.sync();
    expect(journal.turns()).toEqual([]);
    expect(world.remote.placed.get("a")).toMatchObject({ agentId: "agt_new", seq: 2 });
  });

  it("is one tab's at a time", async () => {
    for (const [at, text] of ["a", "b"].entries()) await world.offline(text, 3 + 2 * at);
    await Promise.all([world.tab().syncer.sync(), world.tab().syncer.sync(), world.tab().syncer.sync()]);
    expect(new Set([...world.remote.placed.values()].map((one) => `${one.agentId} ${one.seq}`)).size).toBe(2);
    expect(world.disk.rows.turns.size).toBe(0);
  });
});
