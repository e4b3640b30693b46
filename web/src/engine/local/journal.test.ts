import { beforeEach, describe, expect, it } from "vitest";
import { Journal, type JournalTurn, MAX_TURNS } from "./journal";
import { World } from "./journal-world";

let world: World;

beforeEach(() => {
  world = new World();
});

describe("the journal", () => {
  it("takes no more than it may, and says so", async () => {
    for (let at = 0; at < MAX_TURNS; at++)
      world.disk.rows.turns.set(`${at}`, { key: `${at}`, order: at } as JournalTurn);
    await expect(world.offline("one more")).rejects.toMatchObject({ code: "device_queue_full" });
  });

  it("keeps the newest of long conversations, with the system prompt", async () => {
    const { journal } = world.tab();
    const messages = Array.from({ length: 501 }, (_, at) => ({
      id: `${at}`,
      seq: at + 1,
      role: at === 0 ? "system" : "user",
      content: "x",
      state: "completed",
      turnId: null,
      createdAt: "",
    }));
    await journal.keep({ id: "agt_1", title: "T", model: null }, messages);
    const kept = await journal.messages("agt_1");
    expect([kept[0]?.seq, kept[1]?.seq, kept.at(-1)?.seq, kept.length]).toEqual([1, 302, 501, 201]);
  });

  it("keeps the newest fifty conversations and those with turns that wait", async () => {
    await world.offline("a", 3, "agt_busy");
    let now = 1;
    const journal = new Journal(world.disk, null, () => ++now);
    for (let at = 0; at < 60; at++) await journal.keep({ id: `agt_${at}`, title: "T", model: null }, []);
    const ids = journal.heads().map((head) => head.id);
    expect(ids).toContain("agt_busy");
    expect(ids).toContain("agt_59");
    expect(ids).not.toContain("agt_5");
    expect(ids.length).toBeLessThanOrEqual(51);
  });

  it("gives a conversation up and takes it back, and renames it, but not while it is being answered", async () => {
    await world.offline("a", 1, "local-a");
    await world.offline("b", 1, "local-b");
    const { journal } = world.tab();
    await journal.loaded();
    await journal.rename("local-a", "Named");
    const gone = await journal.discard("local-a");
    expect(journal.turns().map((turn) => turn.message)).toEqual(["b"]);
    expect(journal.heads().map((head) => head.id)).toEqual(["local-b"]);
    expect(world.disk.rows.turns.size).toBe(1);
    if (gone) await journal.putBack(gone);
    expect(journal.turns().map((turn) => turn.message)).toEqual(["a", "b"]);
    expect(journal.heads().find((head) => head.id === "local-a")?.title).toBe("Named");
    const [turn] = journal.turns();
    await journal.change(turn?.key ?? "", { state: "running" });
    expect(await journal.discard("local-a")).toBeNull();
    expect(journal.turns()).toHaveLength(2);
  });
});
