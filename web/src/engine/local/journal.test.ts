import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Message } from "../../api/types";
import { LocalTurns, viewOf } from "./answering";
import { failure } from "./errors";
import {
  Journal,
  type JournalChange,
  type JournalHead,
  type JournalStore,
  type JournalTurn,
  MAX_TURNS,
} from "./journal";
import { type Bringing, type Brought, type Locks, type Server, Syncer } from "./syncing";
import { historyOf, together } from "./together";
import type { BrowserEngine, EngineState, LocalAnswer, LocalRequest } from "./types";

/** A browser's storage: what is written is there for every tab, also after a reload. */
class Disk implements JournalStore {
  readonly rows = {
    turns: new Map<string, JournalTurn>(),
    heads: new Map<string, JournalHead>(),
    messages: new Map<string, Message[]>(),
  };

  turns = async () => [...this.rows.turns.values()];
  heads = async () => [...this.rows.heads.values()];
  messages = async (id: string) => this.rows.messages.get(id) ?? [];

  async write(change: JournalChange): Promise<void> {
    await Promise.resolve();
    for (const turn of change.turns ?? []) this.rows.turns.set(turn.key, structuredClone(turn));
    for (const key of change.forget ?? []) this.rows.turns.delete(key);
    for (const head of change.heads ?? []) this.rows.heads.set(head.id, structuredClone(head));
    for (const { id, messages } of change.messages ?? []) this.rows.messages.set(id, [...messages]);
    for (const id of change.drop ?? []) {
      this.rows.heads.delete(id);
      this.rows.messages.delete(id);
    }
  }
}

/** Locks as the browser has them: one holder, the others in line. */
class Held implements Locks {
  private readonly line = new Map<string, Promise<unknown>>();

  request = (async (name: string, ...rest: unknown[]) => {
    const work = rest.at(-1) as (lock: object | null) => unknown;
    const options = rest.length > 1 ? (rest[0] as LockOptions) : {};
    const before = this.line.get(name);
    if (options.ifAvailable && before) return work(null);
    const done = Promise.resolve(before).then(() => work({ name }));
    const kept: Promise<unknown> = done
      .catch(() => undefined)
      .then(() => this.line.get(name) === kept && this.line.delete(name));
    this.line.set(name, kept);
    return done;
  }) as Locks["request"];
}

class Refusal extends Error {
  constructor(
    readonly code: string,
    readonly field: string | null = null,
    readonly reason: string | null = null,
  ) {
    super(code);
  }
}

/** What the server is to a journal; `lost` answers are done and not told. */
class Remote implements Server {
  online = true;
  lost = 0;
  busy = 0;
  gone = new Set<string>();
  readonly got: Bringing[] = [];
  readonly placed = new Map<string, { agentId: string; seq: number; answer: string; state: string }>();
  readonly length = new Map<string, number>([["agt_1", 3]]);

  ready = () => this.online;
  refused = (error: unknown) =>
    error instanceof Refusal
      ? { code: error.code, message: error.message, field: error.field, reason: error.reason }
      : null;

  async bring(bringing: Bringing): Promise<Brought> {
    await Promise.resolve();
    if (!this.online) throw new Error("no answer");
    this.got.push(structuredClone(bringing));
    if (this.busy-- > 0) throw new Refusal("conflict", null, "answer_under_way");
    if (bringing.agentId && this.gone.has(bringing.agentId)) throw new Refusal("not_found");
    let agentId = bringing.agentId ?? "agt_new";
    let after = bringing.after ?? 1;
    for (const turn of bringing.turns) {
      const known = this.placed.get(turn.key);
      if (known) {
        ({ agentId } = known);
        after = known.seq + 1;
        Object.assign(known, { answer: turn.answer, state: turn.state });
        continue;
      }
      if (turn.message === "bad") throw new Refusal("invalid_request", `turns.${bringing.turns.indexOf(turn)}.message`);
      if ((this.length.get(agentId) ?? 1) !== after) {
        if (bringing.fork === false) throw new Refusal("conflict", "after", "moved_on");
        agentId = `fork_${this.placed.size}`;
      }
      this.placed.set(turn.key, { agentId, seq: after + 1, answer: turn.answer, state: turn.state });
      after += 2;
      this.length.set(agentId, after);
    }
    if (this.lost-- > 0) throw new Error("no answer");
    const turns = bringing.turns.map(({ key, state }) => {
      const { agentId: where = "", seq = 0 } = this.placed.get(key) ?? {};
      return { key, agentId: where, turnId: `trn_${key}`, seq, state, repeated: false };
    });
    return { agentId, title: `of ${agentId}`, forkedFrom: null, lastSeq: after, turns };
  }
}

/** An engine whose answer the test gives piece by piece. */
class Engine implements BrowserEngine {
  requests: LocalRequest[] = [];
  context = 100;
  private onToken: (text: string) => void = () => undefined;
  private end: (answer: LocalAnswer) => void = () => undefined;
  private fail: (error: Error) => void = () => undefined;
  private text = "";

  state = (): EngineState => ({ kind: "ready", leader: true });
  subscribe = () => () => undefined;
  load = async () => undefined;
  unload = async () => undefined;

  generate(request: LocalRequest, onToken: (text: string) => void): Promise<LocalAnswer> {
    this.requests.push(request);
    if (request.messages.length > this.context) return Promise.reject(failure("device_context_exceeded"));
    this.onToken = onToken;
    this.text = "";
    return new Promise((resolve, reject) => {
      this.end = resolve;
      this.fail = reject;
      request.signal?.addEventListener("abort", () => this.finish("aborted"));
    });
  }

  say(text: string): void {
    this.text += text;
    this.onToken(text);
  }

  finish(stop: LocalAnswer["stop"] = "stop"): void {
    const stats = {
      promptTokens: 3,
      tokens: 2,
      firstTokenMs: 1.26,
      tokensPerSecond: 9,
      backend: "wasm",
      threads: 2,
    } as const;
    this.end({ text: this.text, stop, stats });
  }

  breakOff(): void {
    this.fail(failure("device_stalled", "It made no progress."));
  }
}

let disk: Disk;
let remote: Remote;
let locks: Held;
let engine: Engine;

function tab() {
  const journal = new Journal(disk, null);
  const confirmed = vi.fn(async () => undefined);
  const syncer = new Syncer(journal, remote, "Test", locks, confirmed);
  const turns = new LocalTurns({
    journal,
    syncer,
    server: remote,
    engine: async () => engine,
    locks,
    made: confirmed,
    refresh: async () => ({ after: 5, history: [{ role: "user", content: "newer" }] }),
  });
  return { journal, syncer, turns, confirmed };
}

const model = { id: "cria", name: "Cria" };
const asked = (text: string, after = 3, conversation = "agt_1") => ({ conversation, after, text, model, history: [] });
const until = (done: () => boolean) => vi.waitFor(() => expect(done()).toBe(true), { timeout: 20_000, interval: 1 });

async function offline(text: string, after = 3, conversation = "agt_1") {
  const { journal } = tab();
  return journal.add({
    key: text,
    conversation,
    after,
    message: text,
    answer: `to ${text}`,
    state: "completed",
    model: "Cria",
  });
}

beforeEach(() => {
  disk = new Disk();
  remote = new Remote();
  locks = new Held();
  engine = new Engine();
});

describe("a sync", () => {
  it("brings what waits in its order, and empties the journal", async () => {
    for (const [at, text] of ["a", "b", "c"].entries()) await offline(text, 3 + 2 * at);
    const { journal, syncer, confirmed } = tab();
    await syncer.sync();
    expect(remote.got.map(({ turns }) => turns.map((turn) => turn.key))).toEqual([["a", "b", "c"]]);
    expect(remote.got[0]).toMatchObject({ agentId: "agt_1", after: 3 });
    expect(journal.turns()).toEqual([]);
    expect(confirmed).toHaveBeenCalledOnce();
    await syncer.sync();
    expect(remote.got).toHaveLength(1);
  });

  it("brings the same again when the answer was lost, and it is there once", async () => {
    await offline("a");
    await offline("b", 5);
    remote.lost = 1;
    const { journal, syncer } = tab();
    await syncer.sync();
    expect(journal.turns()).toHaveLength(2);
    await syncer.sync();
    expect(journal.turns()).toEqual([]);
    expect([...remote.placed.values()].map((one) => one.seq)).toEqual([4, 6]);
  });

  it("follows a fork with what comes after it, and tells where it is", async () => {
    remote.length.set("agt_1", 7);
    await offline("a");
    const { journal, syncer } = tab();
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
    expect(remote.placed.get("b")).toMatchObject({ agentId: "fork_0", seq: 6 });
    await journal.seen("agt_1");
    expect(journal.heads().find((head) => head.id === "agt_1")?.forked).toBeUndefined();
  });

  it("gives a conversation that began here its place, once, whatever is cut off", async () => {
    await offline("a", 1, "local-1");
    await offline("b", 3, "local-1");
    remote.lost = 2;
    const { journal, syncer } = tab();
    for (let tries = 0; tries < 3; tries++) await syncer.sync();
    expect([...remote.placed.values()].map((one) => [one.agentId, one.seq])).toEqual([
      ["agt_new", 2],
      ["agt_new", 4],
    ]);
    expect(journal.heads().find((head) => head.id === "local-1")?.forked?.agentId).toBe("agt_new");
  });

  it("waits for an answer under way, and does not hold up other conversations", async () => {
    await offline("a");
    await offline("other", 1, "local-2");
    remote.busy = 1;
    const { journal, syncer } = tab();
    await syncer.sync();
    expect(journal.turns().map((turn) => turn.key)).toEqual(["a"]);
    await syncer.sync();
    expect(journal.turns()).toEqual([]);
  });

  it("keeps what is refused with the reason, and what follows it waits", async () => {
    await offline("bad");
    await offline("b", 5);
    await offline("c", 1, "local-3");
    const { journal, syncer } = tab();
    await syncer.sync();
    expect(journal.turns().map((turn) => [turn.key, turn.problem])).toEqual([
      ["bad", "invalid_request"],
      ["b", undefined],
    ]);
  });

  it("makes a new conversation when the server has lost the old one", async () => {
    remote.gone.add("agt_1");
    await offline("a");
    const { journal, syncer } = tab();
    await syncer.sync();
    expect(journal.turns()).toEqual([]);
    expect(remote.placed.get("a")).toMatchObject({ agentId: "agt_new", seq: 2 });
  });

  it("is one tab's at a time", async () => {
    for (const [at, text] of ["a", "b"].entries()) await offline(text, 3 + 2 * at);
    await Promise.all([tab().syncer.sync(), tab().syncer.sync(), tab().syncer.sync()]);
    expect(new Set([...remote.placed.values()].map((one) => `${one.agentId} ${one.seq}`)).size).toBe(2);
    expect(disk.rows.turns.size).toBe(0);
  });
});

describe("an answer of this device", () => {
  it("is begun on the server, grows, and is brought with its figures", async () => {
    const { turns, journal } = tab();
    const turn = await turns.ask(asked("hello"));
    await until(() => engine.requests.length === 1);
    expect(remote.got[0]).toMatchObject({ fork: false, turns: [{ message: "hello", answer: "", state: "running" }] });
    engine.say("Hi ");
    engine.say("you");
    expect(turns.view(viewOf(turn.key))).toMatchObject({ text: "Hi you", state: "writing", ended: false });
    engine.finish();
    await until(() => journal.turns().length === 0);
    expect(remote.placed.get(turn.key)).toMatchObject({ answer: "Hi you", state: "completed" });
    expect(remote.got.at(-1)?.turns[0]?.stats).toMatchObject({ tokens: 2, firstTokenMs: 1.3, backend: "wasm" });
    expect(turns.view(viewOf(turn.key))).toMatchObject({ state: "completed", ended: true });
  });

  it("needs no server, and can be stopped", async () => {
    remote.online = false;
    const { turns, journal } = tab();
    const turn = await turns.ask(asked("hello", 1, "local-4"));
    await until(() => engine.requests.length === 1);
    engine.say("Once");
    turns.stop(turn.key);
    await until(() => journal.turns()[0]?.state === "cancelled");
    expect(journal.turns()[0]).toMatchObject({ answer: "Once", conversation: "local-4" });
  });

  it("answers what the conversation has come to when that moved on before it began", async () => {
    remote.length.set("agt_1", 5);
    const { turns } = tab();
    const turn = await turns.ask(asked("hello"));
    await until(() => engine.requests.length === 1);
    expect(engine.requests[0]?.messages.map((message) => message.content)).toEqual(["newer", "hello"]);
    expect(remote.placed.get(turn.key)).toMatchObject({ agentId: "agt_1", seq: 6 });
  });

  it("is left as interrupted when its tab is gone, with the text that was kept", async () => {
    await tab().journal.add({
      key: "k",
      conversation: "agt_1",
      after: 3,
      message: "m",
      answer: "Half",
      state: "running",
      model: "Cria",
    });
    const { journal, syncer } = tab();
    await syncer.sync();
    expect(journal.turns()).toEqual([]);
    expect(remote.placed.get("k")).toMatchObject({ answer: "Half", state: "interrupted" });
  });

  it("is nobody else's while its tab is there", async () => {
    const { turns } = tab();
    await turns.ask(asked("hello"));
    await until(() => engine.requests.length === 1);
    await tab().syncer.sync();
    expect([...disk.rows.turns.values()].map((turn) => turn.state)).toEqual(["running"]);
  });

  it("says why it failed, and keeps what there was", async () => {
    remote.online = false;
    const { turns, journal } = tab();
    const turn = await turns.ask(asked("hello"));
    await until(() => engine.requests.length === 1);
    engine.say("Half");
    engine.breakOff();
    await until(() => journal.turns()[0]?.state === "failed");
    expect(journal.turns()[0]).toMatchObject({ answer: "Half", error: { code: "device_stalled" } });
    expect(turns.view(viewOf(turn.key))).toMatchObject({ error: "It made no progress.", ended: true });
  });

  it("leaves the oldest out when all does not fit", async () => {
    engine.context = 4;
    const { turns } = tab();
    const history = Array.from(
      { length: 9 },
      (_, at) => ({ role: at === 0 ? "system" : at % 2 ? "user" : "assistant", content: `${at}` }) as const,
    );
    const turn = await turns.ask({ ...asked("now"), history });
    await until(() => engine.requests.at(-1)?.messages.length === 4);
    expect(engine.requests.at(-1)?.messages.map((message) => message.content)).toEqual(["0", "7", "8", "now"]);
    expect(turns.view(viewOf(turn.key))?.leftOut).toBe(6);
  });

  it("gives a message back that the server has begun to answer", async () => {
    remote.bring = () => Promise.reject(new Refusal("conflict", "turns.0.takes"));
    const { turns, journal } = tab();
    await expect(turns.ask({ ...asked("hello"), takes: "trn_1" })).rejects.toThrow("conflict");
    expect(journal.turns()).toEqual([]);
  });
});

describe("the journal", () => {
  it("takes no more than it may, and says so", async () => {
    for (let at = 0; at < MAX_TURNS; at++) disk.rows.turns.set(`${at}`, { key: `${at}`, order: at } as JournalTurn);
    await expect(offline("one more")).rejects.toMatchObject({ code: "device_queue_full" });
  });

  it("keeps the newest of long conversations, with the system prompt", async () => {
    const { journal } = tab();
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
    await offline("a", 3, "agt_busy");
    let now = 1;
    const journal = new Journal(disk, null, () => ++now);
    for (let at = 0; at < 60; at++) await journal.keep({ id: `agt_${at}`, title: "T", model: null }, []);
    const ids = journal.heads().map((head) => head.id);
    expect(ids).toContain("agt_busy");
    expect(ids).toContain("agt_59");
    expect(ids).not.toContain("agt_5");
    expect(ids.length).toBeLessThanOrEqual(51);
  });
});

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
