import { beforeEach, describe, expect, it } from "vitest";
import { sentence } from "../../api/explain";
import { viewOf } from "./answering";
import { failure } from "./errors";
import { asked, Refusal, until, World } from "./journal-world";

let world: World;

beforeEach(() => {
  world = new World();
});

describe("an answer of this device", () => {
  it("is begun on the server, grows, and is brought with its figures", async () => {
    const { turns, journal } = world.tab();
    const turn = await turns.ask(asked("hello"));
    await until(() => world.engine.requests.length === 1);
    expect(world.remote.got[0]).toMatchObject({
      fork: false,
      turns: [{ message: "hello", answer: "", state: "running" }],
    });
    world.engine.say("Hi ");
    world.engine.say("you");
    expect(turns.view(viewOf(turn.key))).toMatchObject({ text: "Hi you", state: "writing", ended: false });
    world.engine.finish();
    await until(() => journal.turns().length === 0);
    expect(world.remote.placed.get(turn.key)).toMatchObject({ answer: "Hi you", state: "completed" });
    expect(world.remote.got.at(-1)?.turns[0]?.stats).toMatchObject({ tokens: 2, firstTokenMs: 1.3, backend: "wasm" });
    expect(turns.view(viewOf(turn.key))).toMatchObject({ state: "completed", ended: true });
  });

  it("needs no server, and can be stopped", async () => {
    world.remote.online = false;
    const { turns, journal } = world.tab();
    const turn = await turns.ask(asked("hello", 1, "local-4"));
    await until(() => world.engine.requests.length === 1);
    world.engine.say("Once");
    turns.stop(turn.key);
    await until(() => journal.turns()[0]?.state === "cancelled");
    expect(journal.turns()[0]).toMatchObject({ answer: "Once", conversation: "local-4" });
  });

  it("answers what the conversation has come to when that moved on before it began", async () => {
    world.remote.length.set("agt_1", 5);
    const { turns } = world.tab();
    const turn = await turns.ask(asked("hello"));
    await until(() => world.engine.requests.length === 1);
    expect(world.engine.requests[0]?.messages.map((message) => message.content)).toEqual(["newer", "hello"]);
    expect(world.remote.placed.get(turn.key)).toMatchObject({ agentId: "agt_1", seq: 6 });
  });

  it("is left as interrupted when its tab is gone, with the text that was kept", async () => {
    await world.tab().journal.add({
      key: "k",
      conversation: "agt_1",
      after: 3,
      message: "m",
      answer: "Half",
      state: "running",
      model: "Cria",
    });
    const { journal, syncer } = world.tab();
    await syncer.sync();
    expect(journal.turns()).toEqual([]);
    expect(world.remote.placed.get("k")).toMatchObject({ answer: "Half", state: "interrupted" });
  });

  it("is nobody else's while its tab is there", async () => {
    const { turns } = world.tab();
    await turns.ask(asked("hello"));
    await until(() => world.engine.requests.length === 1);
    await world.tab().syncer.sync();
    expect([...world.disk.rows.turns.values()].map((turn) => turn.state)).toEqual(["running"]);
  });

  it("says why it failed, and keeps what there was", async () => {
    world.remote.online = false;
    const { turns, journal } = world.tab();
    const turn = await turns.ask(asked("hello"));
    await until(() => world.engine.requests.length === 1);
    world.engine.say("Half");
    world.engine.breakOff();
    await until(() => journal.turns()[0]?.state === "failed");
    expect(journal.turns()[0]).toMatchObject({ answer: "Half", error: { code: "device_stalled" } });
    expect(turns.view(viewOf(turn.key))).toMatchObject({
      error: sentence(failure("device_stalled", "It made no progress.")),
      steps: expect.arrayContaining(["other_place"]),
      ended: true,
    });
  });

  it("leaves the oldest out when all does not fit", async () => {
    world.engine.context = 4;
    const { turns } = world.tab();
    const history = Array.from(
      { length: 9 },
      (_, at) => ({ role: at === 0 ? "system" : at % 2 ? "user" : "assistant", content: `${at}` }) as const,
    );
    const turn = await turns.ask({ ...asked("now"), history });
    await until(() => world.engine.requests.at(-1)?.messages.length === 4);
    expect(world.engine.requests.at(-1)?.messages.map((message) => message.content)).toEqual(["0", "7", "8", "now"]);
    expect(turns.view(viewOf(turn.key))?.leftOut).toBe(6);
  });

  it("gives a message back that the server has begun to answer", async () => {
    world.remote.bring = () => Promise.reject(new Refusal("conflict", "turns.0.takes"));
    const { turns, journal } = world.tab();
    await expect(turns.ask({ ...asked("hello"), takes: "trn_1" })).rejects.toThrow("conflict");
    expect(journal.turns()).toEqual([]);
  });
});
