import type { TurnEvent } from "../api/types";
import type { Connection } from "./connection";
import { TurnJoiner, type TurnView } from "./joiner";

interface Entry {
  agentId: string;
  joiner: TurnJoiner;
  watchers: Set<() => void>;
  asking: boolean;
  followed: boolean;
}

const FRAME = 16;
const RETRY = 1_000;

/** The turns that this page follows; after every reconnect each goes on from the offset it had reached. */
export class TurnStreams {
  private readonly entries = new Map<string, Entry>();
  private readonly dirty = new Set<Entry>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly listeners = new Set<(event: TurnEvent) => void>();
  private readonly enders = new Set<(agentId: string, turnId: string) => void>();

  constructor(private readonly connection: Connection) {
    connection.on("turn:event", (data) => this.received(data as TurnEvent));
    connection.onOpen(() => {
      for (const entry of this.entries.values()) {
        entry.asking = false;
        this.ask(entry);
      }
    });
  }

  /** Calls `ender` when a followed turn has ended. */
  onEnd(ender: (agentId: string, turnId: string) => void): void {
    this.enders.add(ender);
  }

  /** Calls `listener` with each event of a followed turn, once and in order. */
  onEvent(listener: (event: TurnEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Makes a place for a turn without asking for it; cheap and repeatable. */
  prepare(agentId: string, turnId: string, witnessed = false): void {
    if (this.entries.has(turnId)) return;
    const joiner = new TurnJoiner(turnId, witnessed);
    this.entries.set(turnId, { agentId, joiner, watchers: new Set(), asking: false, followed: false });
  }

  /** Begins to follow a turn from its first event, which is only now made when `witnessed`; twice changes nothing. */
  follow(agentId: string, turnId: string, witnessed = false): void {
    this.prepare(agentId, turnId, witnessed);
    const entry = this.entries.get(turnId);
    if (!entry || entry.followed) return;
    entry.followed = true;
    this.ask(entry);
  }

  view = (turnId: string | null): TurnView | null =>
    turnId === null ? null : (this.entries.get(turnId)?.joiner.view ?? null);

  watch(turnId: string | null, watcher: () => void): () => void {
    const entry = turnId === null ? undefined : this.entries.get(turnId);
    entry?.watchers.add(watcher);
    return () => entry?.watchers.delete(watcher);
  }

  /** Asks the server to stop a turn; its end arrives as an event. */
  stop(agentId: string, turnId: string): Promise<unknown> {
    return this.connection.request("turn:cancel", { agentId, turnId });
  }

  private ask(entry: Entry): void {
    if (!entry.followed || entry.joiner.view.ended || entry.asking || !this.connection.connected) return;
    entry.asking = true;
    const { turnId } = entry.joiner.view;
    this.connection
      .request("turn:subscribe", { agentId: entry.agentId, turnId, from: entry.joiner.next })
      .then(() => {
        entry.asking = false;
      })
      .catch(() => {
        entry.asking = false;
        setTimeout(() => this.ask(entry), RETRY);
      });
  }

  private received(event: TurnEvent): void {
    const entry = this.entries.get(event.turnId);
    if (!entry) return;
    const outcome = entry.joiner.apply(event);
    if (outcome === "gap") this.ask(entry);
    if (outcome !== "applied") return;
    for (const listener of this.listeners) listener(event);
    this.dirty.add(entry);
    this.timer ??= setTimeout(() => this.flush(), FRAME);
    if (entry.joiner.view.ended) for (const ender of this.enders) ender(entry.agentId, event.turnId);
  }

  private flush(): void {
    this.timer = undefined;
    const changed = [...this.dirty];
    this.dirty.clear();
    for (const entry of changed) for (const watcher of entry.watchers) watcher();
  }
}
