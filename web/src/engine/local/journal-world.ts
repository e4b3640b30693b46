// What the tests of conversations on this device share: a disk, a server and an engine that do what the test says.
import { expect, vi } from "vitest";
import type { Message } from "../../api/types";
import { LocalTurns } from "./answering";
import { failure } from "./errors";
import { Journal, type JournalChange, type JournalHead, type JournalStore, type JournalTurn } from "./journal";
import { STATS } from "./scripted";
import { type Bringing, type Brought, type Locks, type Server, Syncer } from "./syncing";
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

export class Refusal extends Error {
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
    const stats = { ...STATS, promptTokens: 3, tokens: 2, firstTokenMs: 1.26, tokensPerSecond: 9, threads: 2 };
    this.end({ text: this.text, stop, stats });
  }

  breakOff(): void {
    this.fail(failure("device_stalled", "It made no progress."));
  }
}

const model = { id: "cria", name: "Cria" };

/** A message to the model of this device. */
export const asked = (text: string, after = 3, conversation = "agt_1") => ({
  conversation,
  after,
  text,
  model,
  history: [],
});

export const until = (done: () => boolean) =>
  vi.waitFor(() => expect(done()).toBe(true), { timeout: 20_000, interval: 1 });

/** One browser with its tabs, and its server. */
export class World {
  readonly disk = new Disk();
  readonly remote = new Remote();
  readonly engine = new Engine();
  private readonly locks = new Held();

  tab() {
    const { disk, remote, locks } = this;
    const journal = new Journal(disk, null);
    const confirmed = vi.fn(async () => undefined);
    const syncer = new Syncer(journal, remote, "Test", locks, confirmed);
    const turns = new LocalTurns({
      journal,
      syncer,
      server: remote,
      engine: async () => this.engine,
      locks,
      made: confirmed,
      refresh: async () => ({ after: 5, history: [{ role: "user", content: "newer" }] }),
    });
    return { journal, syncer, turns, confirmed };
  }

  /** A message and its answer from a time without the server. */
  async offline(text: string, after = 3, conversation = "agt_1") {
    const { journal } = this.tab();
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
}
