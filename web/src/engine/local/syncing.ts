import { isLocal, type Journal, type JournalTurn } from "./journal";

/** One request to the server: turns of one conversation, and where the first of them follows. */
export interface Bringing {
  agentId?: string;
  after?: number;
  title?: string;
  fork?: boolean;
  turns: readonly WireTurn[];
}

export type WireTurn = Pick<
  JournalTurn,
  "key" | "message" | "answer" | "state" | "model" | "stats" | "error" | "createdAt" | "endedAt" | "takes"
> & { device: string };

export interface Brought {
  agentId: string;
  title: string;
  forkedFrom: string | null;
  lastSeq: number;
  turns: readonly { key: string; agentId: string; turnId: string; seq: number; state: string; repeated: boolean }[];
}

/** Why the server does not take something; `null` fields where it did not say. */
export interface Refusal {
  code: string;
  message: string;
  field: string | null;
  reason: string | null;
}

/** How the server is reached. */
export interface Server {
  ready(): boolean;
  bring(bringing: Bringing): Promise<Brought>;
  /** What a rejection of `bring` means; null when the same may be sent again. */
  refused(error: unknown): Refusal | null;
}

/** The locks of the browser, as far as they are used here. */
export type Locks = Pick<LockManager, "request">;

const MAX_AT_ONCE = 20;
const MAX_BYTES = 512 * 1024;
/** Milliseconds until what could not be taken now is brought again. */
const LATER = 3_000;
export const lockOf = (key: string) => `corral.turn.${key}`;

/** Brings what waits in the journal, oldest first, one tab at a time. */
export class Syncer {
  private running: Promise<void> | null = null;
  private again = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `confirmed` is told before the turns leave the journal, so that a page can show the server's in their place. */
  constructor(
    private readonly journal: Journal,
    private readonly server: Server,
    private readonly device: string,
    private readonly locks: Locks | undefined,
    private readonly confirmed: (from: string, brought: Brought, turns: readonly JournalTurn[]) => Promise<void>,
  ) {}

  /** Brings all that waits; settles when that is done or cannot be. What comes meanwhile is brought too. */
  sync(): Promise<void> {
    this.again = true;
    this.running ??= this.work().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  /** A turn in the form that the server takes. */
  wire(turn: JournalTurn): WireTurn {
    const { key, message, answer, state, model, stats, error, createdAt, endedAt, takes } = turn;
    return { key, message, answer, state, model, device: this.device, stats, error, createdAt, endedAt, takes };
  }

  private async work(): Promise<void> {
    await this.journal.loaded();
    while (this.again) {
      this.again = false;
      await this.leaveDead();
      if (!this.server.ready() || this.journal.turns().length === 0) return;
      if (this.locks) await this.locks.request("corral.journal.sync", () => this.drain());
      else await this.drain();
    }
  }

  private async drain(): Promise<void> {
    const skipped = new Set<string>();
    while (this.server.ready()) {
      const batch = this.batch(skipped);
      const first = batch[0];
      if (!first) return;
      const { conversation } = first;
      try {
        const place = isLocal(conversation) ? {} : { agentId: conversation, after: first.after };
        const brought = await this.server.bring({ ...place, turns: batch.map((turn) => this.wire(turn)) });
        await this.confirmed(conversation, brought, batch);
        const to = { id: brought.agentId, title: brought.title, lastSeq: brought.lastSeq };
        await this.journal.confirm(
          batch.map((turn) => turn.key),
          conversation,
          to,
        );
      } catch (error) {
        const refusal = this.server.refused(error);
        if (refusal === null) return this.later();
        if (!(await this.settle(refusal, conversation, batch))) {
          skipped.add(conversation);
          this.later();
        }
      }
    }
  }

  /** Does what a refusal asks for; false when there is nothing to do but to wait. */
  private async settle(refusal: Refusal, conversation: string, batch: readonly JournalTurn[]): Promise<boolean> {
    const named = batch[Number(refusal.field?.match(/^turns\.(\d+)\./)?.[1] ?? 0)] ?? batch[0];
    if (refusal.reason === "answer_under_way" || !named) return false;
    if (refusal.field?.endsWith(".takes")) await this.journal.change(named.key, { takes: undefined });
    else if (refusal.code === "not_found" && !isLocal(conversation)) await this.journal.orphan(conversation);
    else await this.journal.change(named.key, { problem: refusal.message });
    return true;
  }

  /** The oldest turns of one conversation that can go together. */
  private batch(skipped: ReadonlySet<string>): JournalTurn[] {
    const held = new Set<string>(skipped);
    const batch: JournalTurn[] = [];
    let bytes = 0;
    for (const turn of this.journal.turns()) {
      if (held.has(turn.conversation) || (batch[0] && batch[0].conversation !== turn.conversation)) continue;
      if (turn.problem !== undefined || turn.state === "running") {
        // What follows it waits for it.
        held.add(turn.conversation);
        continue;
      }
      // A character is at most three bytes, six where it has to be escaped.
      bytes += 3 * (turn.message.length + turn.answer.length);
      if (batch.length > 0 && (batch.length >= MAX_AT_ONCE || bytes > MAX_BYTES)) break;
      batch.push(turn);
    }
    return batch;
  }

  /** Ends the turns whose tab is gone: nobody holds their lock. */
  private async leaveDead(): Promise<void> {
    for (const turn of this.journal.turns()) {
      if (turn.state !== "running" || !this.locks) continue;
      await this.locks.request(lockOf(turn.key), { ifAvailable: true }, async (lock) => {
        if (lock) await this.journal.change(turn.key, { state: "interrupted" });
      });
    }
  }

  private later(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.sync(), LATER);
  }
}
