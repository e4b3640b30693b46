import type { AnswerStats, Sampling } from "../../api/types";
import { randomKey } from "../ids";
import type { TurnView } from "../joiner";
import { isLocal, type Journal, type JournalTurn } from "./journal";
import { type Brought, type Locks, lockOf, type Server, type Syncer } from "./syncing";
import type { Answering, LocalMessage } from "./types";

/** What is to be answered here. */
export interface Asked {
  conversation: string;
  /** The seq of the last answer. */
  after: number;
  /** What was said before, the system prompt first. */
  history: readonly LocalMessage[];
  text: string;
  model: { id: string; name: string };
  sampling?: Sampling;
  takes?: string;
  /** The key of the message that is handed over; a new one without. */
  key?: string;
}

/** What is told of an answer when it has ended; times in milliseconds since 1970, `first` 0 when nothing came. */
export interface Told {
  key: string;
  model: string;
  begun: number;
  first: number;
  ended: number;
  turnId?: string;
  stats?: AnswerStats;
  /** Why it failed. */
  code?: string;
}

interface Parts {
  journal: Journal;
  syncer: Syncer;
  server: Server;
  /** What answers with a model. */
  engine(model: string): Promise<Answering>;
  locks?: Locks;
  /** The conversation as it is now on the server; null when it cannot be read. */
  refresh(conversation: string): Promise<Pick<Asked, "after" | "history"> | null>;
  /** A new conversation has got its id. */
  made(from: string, brought: Brought, turn: JournalTurn): Promise<void>;
  ended?(told: Told): void;
}

/** Milliseconds between two writings of the text so far: here, and to the server. */
const KEEP = 2_000;
const CHECKPOINT = 5_000;
const BEGIN_WITHIN = 4_000;
const REMEMBERED = 50;
/** How a turn of this device is called among the turns of a page. */
export const viewOf = (key: string) => `local:${key}`;

/** The answers that the model in this browser gives, as a page watches them. */
export class LocalTurns {
  private readonly views = new Map<string, TurnView>();
  private readonly watchers = new Map<string, Set<() => void>>();
  private readonly stops = new Map<string, AbortController>();

  constructor(private readonly parts: Parts) {}

  /** Whether this page answers the turn. */
  mine = (key: string): boolean => this.views.has(viewOf(key));

  view = (turnId: string | null): TurnView | null => (turnId === null ? null : (this.views.get(turnId) ?? null));

  watch(turnId: string | null, watcher: () => void): () => void {
    if (turnId === null) return () => undefined;
    const watchers = this.watchers.get(turnId) ?? new Set();
    this.watchers.set(turnId, watchers.add(watcher));
    return () => {
      watchers.delete(watcher);
      if (watchers.size === 0) this.watchers.delete(turnId);
    };
  }

  /** Ends an answer of this page where it is. */
  stop(key: string): void {
    this.stops.get(key)?.abort();
  }

  /**
   * Begins to answer; settles when the message is on disk here. Rejects with LocalError when it cannot be kept, and with the
   * server's refusal when it has begun to answer what should be taken from it.
   */
  ask(asked: Asked): Promise<JournalTurn> {
    const { key = randomKey() } = asked;
    return new Promise((resolve, reject) => {
      const stop = new AbortController();
      const work = async () => {
        const turn = await this.enter(key, asked);
        this.show(key, { state: "saved" });
        this.stops.set(key, stop);
        resolve(turn);
        await this.answer(turn, asked, stop);
      };
      // The lock comes first: a turn without one is a turn whose tab is gone.
      const working = this.parts.locks ? this.parts.locks.request(lockOf(key), work) : work();
      void working
        .catch(reject)
        .then(() => this.stops.delete(key))
        .then(() => this.parts.syncer.sync())
        .catch(() => undefined);
    });
  }

  /** Puts the message into the journal, and takes it from the server where it is there. */
  private async enter(key: string, asked: Asked): Promise<JournalTurn> {
    const { conversation, after, text: message, model, takes } = asked;
    const begun = {
      key,
      conversation,
      after,
      message,
      answer: "",
      state: "running",
      model: model.name,
      takes,
    } as const;
    const turn = await this.parts.journal.add(begun);
    if (takes) await this.take(turn);
    return turn;
  }

  private async take(turn: JournalTurn): Promise<void> {
    const { journal, server } = this.parts;
    try {
      if (server.ready()) await this.bring(turn, false);
    } catch (error) {
      if (server.refused(error) === null) return;
      await journal.remove(turn.key);
      throw error;
    }
  }

  private async answer(turn: JournalTurn, asked: Asked, stop: AbortController): Promise<void> {
    const { journal } = this.parts;
    const { key } = turn;
    let text = "";
    let first = 0;
    const begun = Date.now();
    const timers = [
      setInterval(() => void journal.change(key, { answer: text }).catch(() => undefined), KEEP),
      setInterval(() => void this.checkpoint(key, text, stop), CHECKPOINT),
    ];
    const end = async (change: Partial<JournalTurn>) => {
      for (const timer of timers) clearInterval(timer);
      const ended = Date.now();
      await journal.change(key, { ...change, endedAt: ended });
      const { stats, error } = change;
      const more = { ...(stats && { stats }), ...(error && { code: error.code }) };
      const turnId = journal.turn(key)?.turnId;
      this.parts.ended?.({ key, model: asked.model.name, begun, first, ended, ...(turnId && { turnId }), ...more });
    };
    try {
      const history = await this.begin(turn, asked);
      this.show(key, { state: "running" });
      const answer = await this.generate(key, { ...asked, history }, stop.signal, (piece) => {
        text += piece;
        first ||= Date.now();
        this.show(key, { text, state: "writing" });
      });
      const state = answer.stop === "aborted" ? "cancelled" : "completed";
      const stats = whole(answer.stats);
      // The pieces are what checkpoints have told: the whole goes on from them to the letter.
      text ||= answer.text;
      await end({ answer: text, state, stats });
      this.show(key, { text, state, ended: true, tokens: stats.tokens });
    } catch (error) {
      const [{ localError }, { explain, sentence }] = await Promise.all([
        import("./errors"),
        import("../../api/explain"),
      ]);
      const reason = localError(error, "device_generation_failed");
      const { code, message } = reason;
      const steps = explain(reason).row.steps.map(({ strategy }) => strategy);
      await end({ answer: text, state: "failed", error: { code, message } });
      this.show(key, { text, state: "failed", error: sentence(reason), steps, ended: true });
    }
  }

  /** Lets the engine answer; what does not fit into its context is left out, the oldest first. */
  private async generate(key: string, asked: Asked, signal: AbortSignal, onToken: (text: string) => void) {
    const engine = await this.parts.engine(asked.model.id);
    const unsubscribe = engine.subscribe(({ kind, progress = 0 }) =>
      this.show(key, { loading: kind === "loading" ? progress : undefined }),
    );
    try {
      return await this.shorten(key, engine, asked, signal, onToken);
    } finally {
      unsubscribe();
    }
  }

  private async shorten(
    key: string,
    engine: Answering,
    asked: Asked,
    signal: AbortSignal,
    onToken: (text: string) => void,
  ) {
    let history = [...asked.history];
    for (;;) {
      const messages = [...history, said(asked.text)];
      try {
        const { model, sampling = {} } = asked;
        return await engine.generate({ model: model.id, messages, sampling, signal, requestId: key }, onToken);
      } catch (error) {
        const shorter = shortened(history);
        if ((error as { code?: unknown }).code !== "device_context_exceeded" || !shorter) throw error;
        history = shorter;
        this.show(key, { leftOut: asked.history.length - history.length });
      }
    }
  }

  /**
   * Puts the message on the server's disk before the answer begins; when that cannot be, the journal has it. Gives the history to
   * answer, which is the server's when the conversation has gone on meanwhile.
   */
  private async begin(turn: JournalTurn, { history }: Asked): Promise<readonly LocalMessage[]> {
    const { journal, server } = this.parts;
    const earlier = journal.turns().some((one) => one.conversation === turn.conversation && one.order < turn.order);
    if (!server.ready() || earlier || journal.turn(turn.key)?.turnId) return history;
    const begun = this.bring(turn, false).then(
      () => history,
      async (error: unknown) => {
        if (server.refused(error)?.reason !== "moved_on") return history;
        const fresh = await this.parts.refresh(turn.conversation);
        if (!fresh) return history;
        await journal.change(turn.key, { after: fresh.after });
        await this.bring({ ...turn, after: fresh.after }, false).catch(() => undefined);
        return fresh.history;
      },
    );
    const late = new Promise<readonly LocalMessage[]>((resolve) => setTimeout(() => resolve(history), BEGIN_WITHIN));
    return Promise.race([begun.catch(() => history), late]);
  }

  private async bring(turn: JournalTurn, fork: boolean): Promise<Brought> {
    const { journal, server, syncer } = this.parts;
    const place = isLocal(turn.conversation) ? {} : { agentId: turn.conversation, after: turn.after };
    const brought = await server.bring({ ...place, fork, turns: [syncer.wire(turn)] });
    const placed = brought.turns[0];
    const known = journal.turn(turn.key);
    if (!placed || !known || (known.turnId === placed.turnId && known.conversation === brought.agentId)) return brought;
    const { conversation } = known;
    await this.parts.made(conversation, brought, known);
    await journal.change(turn.key, {
      turnId: placed.turnId,
      conversation: brought.agentId,
      after: placed.seq - 1,
      takes: undefined,
    });
    if (conversation !== brought.agentId)
      await journal.confirm([], conversation, { id: brought.agentId, title: brought.title, lastSeq: placed.seq - 1 });
    return brought;
  }

  /** Keeps the lease, and what is there of the answer; ends it when it was stopped elsewhere. */
  private async checkpoint(key: string, text: string, stop: AbortController): Promise<void> {
    const turn = this.parts.journal.turn(key);
    if (!turn?.turnId || !this.parts.server.ready() || stop.signal.aborted) return;
    try {
      const brought = await this.bring({ ...turn, answer: text, state: "running" }, true);
      if (brought.turns[0]?.state === "cancelled") stop.abort();
    } catch {
      // The end of the answer is brought anyway.
    }
  }

  private show(key: string, change: Partial<TurnView>): void {
    const turnId = viewOf(key);
    const before = this.views.get(turnId) ?? {
      turnId,
      text: "",
      state: "saved",
      error: null,
      ended: false,
      tokens: null,
      took: null,
      leftOut: 0,
    };
    this.views.set(turnId, { ...before, ...change });
    if (this.views.size > REMEMBERED) {
      const old = [...this.views].find(([, view]) => view.ended);
      if (old) this.views.delete(old[0]);
    }
    for (const watcher of this.watchers.get(turnId) ?? []) watcher();
  }
}

/** Without the older half of what was said; null when there is nothing more to leave out. */
function shortened(history: readonly LocalMessage[]): LocalMessage[] | null {
  const system = history.filter((one) => one.role === "system");
  const rest = history.filter((one) => one.role !== "system");
  if (rest.length === 0) return null;
  const kept = rest.slice(Math.ceil(rest.length / 2));
  const first = kept.findIndex((one) => one.role === "user");
  return [...system, ...(first < 0 ? [] : kept.slice(first))];
}

const said = (content: string): LocalMessage => ({ role: "user", content });

/** Figures as the server takes them: whole numbers and no others. */
function whole({ promptTokens, tokens, firstTokenMs, tokensPerSecond, backend, threads }: JournalStats) {
  const figure = (value: number) => (Number.isFinite(value) && value >= 0 ? Math.round(value * 10) / 10 : 0);
  return {
    promptTokens: Math.round(promptTokens),
    tokens: Math.round(tokens),
    firstTokenMs: figure(firstTokenMs),
    tokensPerSecond: figure(tokensPerSecond),
    backend,
    ...(threads > 0 && { threads: Math.round(threads) }),
  };
}
type JournalStats = Awaited<ReturnType<Answering["generate"]>>["stats"];
