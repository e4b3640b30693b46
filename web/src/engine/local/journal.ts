import type { AnswerStats, Message } from "../../api/types";
import { randomKey } from "../ids";

export type DeviceTurnState = "running" | "interrupted" | "completed" | "cancelled" | "failed";

/** A turn that this device has answered and the server has not confirmed. */
export interface JournalTurn {
  /** The idempotency key, the same however often it is brought. */
  key: string;
  /** The conversation here: the agent's id, or `local-…` until there is one. */
  conversation: string;
  /** Its place among all turns of this device. */
  order: number;
  /** The seq of the answer that it follows. */
  after: number;
  message: string;
  answer: string;
  state: DeviceTurnState;
  model: string;
  stats?: AnswerStats;
  error?: { code: string; message: string };
  /** Milliseconds since 1970. */
  createdAt: number;
  endedAt?: number;
  /** The server's turn that is answered here instead. */
  takes?: string;
  /** The server's id of it, once that is known. */
  turnId?: string;
  /** Why the server does not take it; it is kept all the same. */
  problem?: string;
}

/** What is known of a conversation, to go on with it without the server. */
export interface JournalHead {
  id: string;
  title: string;
  model: string | null;
  lastSeq: number;
  /** When it was last read or written here. */
  touched: number;
  /** Where turns made here went: it had moved on, or (a local one) has its place on the server now. */
  forked?: { agentId: string; title: string };
}

/** What is written together or not at all. */
export interface JournalChange {
  turns?: readonly JournalTurn[];
  /** Keys of turns that go. */
  forget?: readonly string[];
  heads?: readonly JournalHead[];
  messages?: readonly { id: string; messages: readonly Message[] }[];
  /** Ids of conversations that go. */
  drop?: readonly string[];
}

/** A conversation that was taken out. */
export type Discarded = Required<Pick<JournalChange, "heads" | "turns">>;

/** Where the journal is kept. `write` settles when it is on disk. */
export interface JournalStore {
  turns(): Promise<JournalTurn[]>;
  heads(): Promise<JournalHead[]>;
  messages(id: string): Promise<Message[]>;
  write(change: JournalChange): Promise<void>;
}

export const MAX_TURNS = 500;
const MAX_CONVERSATIONS = 50;
const MAX_MESSAGES = 200;
const MAX_CHARACTERS = 400_000;

export const isLocal = (conversation: string) => conversation.startsWith("local-");
export const newConversation = () => `local-${randomKey()}`;

/** The conversations of this device and the turns that wait for the server; all tabs see the same. */
export class Journal {
  private waiting: readonly JournalTurn[] = [];
  private known: readonly JournalHead[] = [];
  private readonly watchers = new Set<() => void>();
  private readonly ready: Promise<void>;
  private last: Promise<unknown> = Promise.resolve();

  /** `tabs` tells other tabs that something was written. */
  constructor(
    private readonly store: JournalStore,
    private readonly tabs: Pick<BroadcastChannel, "postMessage" | "addEventListener"> | null = null,
    private readonly now: () => number = Date.now,
  ) {
    this.ready = this.inTurn(() => this.read());
    this.ready.catch(() => undefined);
    tabs?.addEventListener("message", () => void this.inTurn(() => this.read()).catch(() => undefined));
  }

  /** Settles when what was kept is here; rejects when nothing can be kept. */
  loaded = (): Promise<void> => this.ready;

  /** The turns that wait, in their order. */
  turns = (): readonly JournalTurn[] => this.waiting;

  heads = (): readonly JournalHead[] => this.known;

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  turn(key: string): JournalTurn | undefined {
    return this.waiting.find((turn) => turn.key === key);
  }

  messages(conversation: string): Promise<Message[]> {
    return this.store.messages(conversation);
  }

  /** Puts a turn in; settles when it is on disk. Rejects with LocalError when too many wait. */
  async add(turn: Omit<JournalTurn, "order" | "createdAt">): Promise<JournalTurn> {
    await this.ready;
    return this.inTurn(() => this.enter(turn));
  }

  private async enter(turn: Omit<JournalTurn, "order" | "createdAt">): Promise<JournalTurn> {
    if (this.waiting.length >= MAX_TURNS) {
      // The table of errors is loaded when there is one.
      const { failure } = await import("./errors");
      throw failure("device_queue_full", `${MAX_TURNS} answers of this device wait for the server; connect first.`);
    }
    const last = this.waiting.at(-1)?.order ?? 0;
    const added: JournalTurn = { ...turn, order: last + 1, createdAt: this.now() };
    const heads = this.known.some((head) => head.id === turn.conversation)
      ? []
      : [
          {
            id: turn.conversation,
            title: titleOf(turn.message),
            model: null,
            lastSeq: turn.after,
            touched: this.now(),
          },
        ];
    await this.write({ turns: [added], heads });
    return added;
  }

  /** Changes a turn that waits; nothing when it does not any more. */
  change(key: string, change: Partial<JournalTurn>): Promise<void> {
    return this.inTurn(async () => {
      const turn = this.turn(key);
      if (turn) await this.write({ turns: [{ ...turn, ...change }] });
    });
  }

  /** Takes turns out that the server has; those after them follow where it has put them. */
  confirm(keys: readonly string[], from: string, to: { id: string; title: string; lastSeq: number }): Promise<void> {
    return this.inTurn(() => this.move(keys, from, to));
  }

  private async move(keys: readonly string[], from: string, to: { id: string; title: string; lastSeq: number }) {
    const rest = this.waiting.filter((turn) => turn.conversation === from && !keys.includes(turn.key));
    const turns = rest.map((turn, at) => ({ ...turn, conversation: to.id, after: to.lastSeq + 2 * at }));
    const before = this.known.find((head) => head.id === from);
    const head = { id: to.id, title: to.title, model: before?.model ?? null, lastSeq: to.lastSeq, touched: this.now() };
    const heads: JournalHead[] = [{ ...this.known.find((known) => known.id === to.id), ...head }];
    if (from !== to.id && before) heads.push({ ...before, forked: { agentId: to.id, title: to.title } });
    await this.write({ turns, forget: keys, heads });
  }

  /** Makes a new conversation of turns whose own is not there any more. */
  orphan(conversation: string): Promise<void> {
    return this.inTurn(() => this.renew(conversation));
  }

  private async renew(conversation: string): Promise<void> {
    const id = newConversation();
    const mine = this.waiting.filter((turn) => turn.conversation === conversation);
    const turns = mine.map((turn, at) => ({ ...turn, conversation: id, after: 1 + 2 * at, takes: undefined }));
    const head = this.known.find((one) => one.id === conversation);
    await this.write({
      turns,
      heads: [
        { id, title: titleOf(mine[0]?.message ?? ""), model: head?.model ?? null, lastSeq: 1, touched: this.now() },
      ],
      drop: [conversation],
    });
  }

  /** Takes a whole conversation out; `putBack` undoes it. Nothing while one of its answers is being written. */
  async discard(conversation: string): Promise<Discarded | null> {
    await this.ready;
    return this.inTurn(async () => {
      const heads = this.known.filter((head) => head.id === conversation);
      const turns = this.waiting.filter((turn) => turn.conversation === conversation);
      if (turns.some((turn) => turn.state === "running")) return null;
      await this.write({ forget: turns.map((turn) => turn.key), drop: [conversation] });
      return { heads, turns };
    });
  }

  putBack(discarded: Discarded): Promise<void> {
    return this.inTurn(() => this.write(discarded));
  }

  rename(conversation: string, title: string): Promise<void> {
    return this.inTurn(async () => {
      const head = this.known.find((one) => one.id === conversation);
      if (head) await this.write({ heads: [{ ...head, title }] });
    });
  }

  remove(key: string): Promise<void> {
    return this.inTurn(() => this.write({ forget: [key] }));
  }

  /** The person has seen that turns went into a fork. */
  seen(conversation: string): Promise<void> {
    return this.inTurn(async () => {
      const head = this.known.find((one) => one.id === conversation);
      if (head?.forked) await this.write({ heads: [{ ...head, forked: undefined }] });
    });
  }

  /** Keeps what the server told of a conversation; only its newest part, and only of the newest conversations. */
  async keep(head: Pick<JournalHead, "id" | "title" | "model">, messages: readonly Message[]): Promise<void> {
    await this.ready;
    return this.inTurn(() => this.put(head, messages));
  }

  private async put(head: Pick<JournalHead, "id" | "title" | "model">, messages: readonly Message[]): Promise<void> {
    const before = this.known.find((one) => one.id === head.id);
    const kept = { ...before, ...head, lastSeq: messages.at(-1)?.seq ?? 1, touched: this.now() };
    const busy = new Set(this.waiting.map((turn) => turn.conversation));
    const old = this.known
      .filter((one) => one.id !== head.id && !busy.has(one.id) && (isLocal(one.id) || !one.forked))
      .sort((one, other) => other.touched - one.touched)
      .slice(MAX_CONVERSATIONS - 1)
      .map((one) => one.id);
    await this.write({ heads: [kept], messages: [{ id: head.id, messages: newest(messages) }], drop: old });
  }

  /** One after the other, so that none writes over what another has just written. */
  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.last.then(work);
    this.last = next.catch(() => undefined);
    return next;
  }

  private async write(change: JournalChange): Promise<void> {
    await this.store.write(change);
    const turns = new Map(this.waiting.map((turn) => [turn.key, turn]));
    for (const turn of change.turns ?? []) turns.set(turn.key, turn);
    for (const key of change.forget ?? []) turns.delete(key);
    const heads = new Map(this.known.map((head) => [head.id, head]));
    for (const head of change.heads ?? []) heads.set(head.id, head);
    for (const id of change.drop ?? []) heads.delete(id);
    this.show([...turns.values()], [...heads.values()]);
    this.tabs?.postMessage(null);
  }

  private async read(): Promise<void> {
    const [turns, heads] = await Promise.all([this.store.turns(), this.store.heads()]);
    this.show(turns, heads);
  }

  private show(turns: JournalTurn[], heads: readonly JournalHead[]): void {
    this.waiting = turns.sort((one, other) => one.order - other.order || (one.key < other.key ? -1 : 1));
    this.known = heads;
    for (const watcher of this.watchers) watcher();
  }
}

function titleOf(message: string): string {
  return message.split(/\s+/).filter(Boolean).join(" ").slice(0, 60);
}

/** The system prompt and the last messages, as many as are kept. */
function newest(messages: readonly Message[]): Message[] {
  const kept: Message[] = [];
  let characters = 0;
  for (const message of messages.toReversed()) {
    characters += message.content.length;
    if (kept.length >= MAX_MESSAGES || characters > MAX_CHARACTERS) break;
    kept.unshift(message);
  }
  const system = messages[0];
  return system?.role === "system" && kept[0] !== system ? [system, ...kept] : kept;
}
