import type { Sampling } from "../api/types";
import { randomKey } from "./ids";

export interface OutboxItem {
  /** The idempotency key: the same however often it is sent. */
  key: string;
  text: string;
  /** The conversation; null until a new one has been made for it. */
  agentId: string | null;
  /** Whether it begins a new conversation. */
  fresh: boolean;
  /** The model of the new conversation; null for the default. */
  model?: string | null;
  /** How its answers are sampled. */
  sampling?: Sampling;
  failed: string | null;
  /** The tab that wrote it. */
  owner: string;
  /** When it was written, in milliseconds since 1970; older versions did not note it. */
  at?: number;
}

export interface Sent {
  agentId: string;
  turnId: string;
}

/** How the outbox reaches the server; `refused` says why an error is final, null when it is not. */
export interface Sender {
  ready(): boolean;
  create(item: OutboxItem): Promise<string>;
  send(item: OutboxItem & { agentId: string }): Promise<Sent>;
  refused(error: unknown): string | null;
}

export interface Shelf {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

const SHELF = "corral.outbox.v1";
const RETRY = 2_000;

/** Messages that the server has not acknowledged yet, in order; they survive a reload. */
export class Outbox {
  private items: readonly OutboxItem[];
  private running = false;
  private readonly watchers = new Set<() => void>();
  private readonly deliverers = new Set<(item: OutboxItem, sent: Sent) => void>();

  constructor(
    private readonly shelf: Shelf,
    private readonly sender: Sender,
    private readonly alone: (work: () => Promise<void>) => Promise<void> = (work) => work(),
    private readonly owner = "",
  ) {
    this.items = this.read();
  }

  snapshot = (): readonly OutboxItem[] => this.items;

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  /** Calls `deliverer` once for each item that the server has acknowledged. */
  onDelivered(deliverer: (item: OutboxItem, sent: Sent) => void): () => void {
    this.deliverers.add(deliverer);
    return () => this.deliverers.delete(deliverer);
  }

  /** Puts a message in and begins to send. */
  add(text: string, agentId: string | null, model: string | null = null, sampling?: Sampling): OutboxItem {
    const item: OutboxItem = {
      key: randomKey(),
      text,
      agentId,
      fresh: agentId === null,
      model,
      ...(sampling && { sampling }),
      failed: null,
      owner: this.owner,
      at: Date.now(),
    };
    this.write([...this.read(), item]);
    void this.flush();
    return item;
  }

  /** Takes a message out, unsent. */
  remove(key: string): void {
    this.write(this.read().filter((item) => item.key !== key));
  }

  /** Lets a refused message be tried again, with the same key. */
  retry(key: string): void {
    this.change(key, { failed: null });
    void this.flush();
  }

  /** Reads the shelf again: another tab may have changed it. */
  reload(): void {
    this.items = this.read();
    this.tell();
  }

  /** Sends what waits, one after the other; stops quietly when there is no connection. */
  async flush(): Promise<void> {
    if (this.running || !this.sender.ready()) return;
    this.running = true;
    let again = false;
    try {
      await this.alone(async () => {
        again = await this.drain();
      });
    } finally {
      this.running = false;
    }
    if (again) setTimeout(() => void this.flush(), RETRY);
  }

  private async drain(): Promise<boolean> {
    for (;;) {
      const item = this.read().find((candidate) => candidate.failed === null);
      if (!item) return false;
      try {
        await this.deliver(item);
      } catch (error) {
        const reason = this.sender.refused(error);
        if (reason === null) return this.sender.ready();
        this.change(item.key, { failed: reason });
      }
    }
  }

  private async deliver(item: OutboxItem): Promise<void> {
    let agentId = item.agentId;
    if (agentId === null) {
      agentId = await this.sender.create(item);
      this.change(item.key, { agentId });
    }
    const sent = await this.sender.send({ ...item, agentId });
    for (const deliverer of this.deliverers) deliverer({ ...item, agentId }, sent);
    this.remove(item.key);
  }

  private change(key: string, change: Partial<OutboxItem>): void {
    this.write(this.read().map((item) => (item.key === key ? { ...item, ...change } : item)));
  }

  private read(): OutboxItem[] {
    try {
      const found: unknown = JSON.parse(this.shelf.getItem(SHELF) ?? "[]");
      return Array.isArray(found) ? (found as OutboxItem[]) : [];
    } catch {
      return [];
    }
  }

  private write(items: OutboxItem[]): void {
    this.shelf.setItem(SHELF, JSON.stringify(items));
    this.items = items;
    this.tell();
  }

  private tell(): void {
    for (const watcher of this.watchers) watcher();
  }
}
