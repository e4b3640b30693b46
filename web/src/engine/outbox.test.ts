import { expect, it, vi } from "vitest";
import { Outbox, type OutboxItem, type Sender } from "./outbox";

function shelf() {
  const kept = new Map<string, string>();
  return {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  };
}

class Server implements Sender {
  online = true;
  loseAnswer = false;
  refusal: string | null = null;
  made = 0;
  turns = new Map<string, string>();
  calls: OutboxItem[] = [];
  ready() {
    return this.online;
  }
  models: (string | null | undefined)[] = [];
  async create(item: OutboxItem) {
    this.made += 1;
    this.models.push(item.model);
    return `agt_${this.made}`;
  }
  async send(item: OutboxItem & { agentId: string }) {
    this.calls.push(item);
    if (this.refusal) throw new RangeError(this.refusal);
    const turnId = this.turns.get(item.key) ?? `trn_${this.turns.size + 1}`;
    this.turns.set(item.key, turnId);
    if (this.loseAnswer) {
      this.online = false;
      throw new Error("lost");
    }
    return { agentId: item.agentId, turnId };
  }
  refused(error: unknown) {
    return error instanceof RangeError ? error.message : null;
  }
}

it("sends in order, each once", async () => {
  const server = new Server();
  const outbox = new Outbox(shelf(), server);
  outbox.add("one", "agt_a");
  outbox.add("two", "agt_a");
  await vi.waitFor(() => expect(outbox.snapshot()).toEqual([]), { timeout: 30_000 });
  expect(server.calls.map((item) => item.text)).toEqual(["one", "two"]);
});

it("keeps what was written offline over a reload and sends it once", async () => {
  const server = new Server();
  const disk = shelf();
  server.online = false;
  const { key } = new Outbox(disk, server).add("later", "agt_a");
  const reloaded = new Outbox(disk, server);
  expect(reloaded.snapshot().map((item) => item.key)).toEqual([key]);
  server.online = true;
  await Promise.all([reloaded.flush(), reloaded.flush()]);
  expect(server.calls.map((item) => item.key)).toEqual([key]);
  expect(reloaded.snapshot()).toEqual([]);
});

it("uses the same key and conversation when the acknowledgement was lost and comes after a reload", async () => {
  const server = new Server();
  const disk = shelf();
  server.loseAnswer = true;
  const first = new Outbox(disk, server);
  first.add("hello", null);
  await vi.waitFor(() => expect(server.online).toBe(false), { timeout: 30_000 });
  const reloaded = new Outbox(disk, server);
  const delivered: { fresh: boolean; agentId: string }[] = [];
  reloaded.onDelivered((item, sent) => delivered.push({ fresh: item.fresh, agentId: sent.agentId }));
  server.online = true;
  server.loseAnswer = false;
  await reloaded.flush();
  expect(delivered).toEqual([{ fresh: true, agentId: "agt_1" }]);
  expect(server.made).toBe(1);
  expect(server.turns.size).toBe(1);
});

it("sets a refused message aside, sends the next, and tries again with the same key when asked", async () => {
  const server = new Server();
  const outbox = new Outbox(shelf(), server);
  server.refusal = "too long";
  const { key } = outbox.add("huge", "agt_a");
  await vi.waitFor(() => expect(outbox.snapshot()[0]?.failed).toBe("too long"), { timeout: 30_000 });
  server.refusal = null;
  outbox.retry(key);
  await vi.waitFor(() => expect(outbox.snapshot()).toEqual([]), { timeout: 30_000 });
  expect(server.calls.map((item) => item.key)).toEqual([key, key]);
});

it("starts empty when the shelf holds nonsense", () => {
  expect(new Outbox({ getItem: () => "{oops", setItem: () => undefined }, new Server()).snapshot()).toEqual([]);
});

it("makes a new conversation with the model that was picked", async () => {
  const server = new Server();
  const outbox = new Outbox(shelf(), server);
  outbox.add("one", null, "big");
  await vi.waitFor(() => expect(outbox.snapshot()).toEqual([]), { timeout: 30_000 });
  expect(server.models).toEqual(["big"]);
});
