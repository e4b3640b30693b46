import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { reconnectDelay } from "./backoff";
import { Connection, NoAnswer, Refused, type Wire } from "./connection";

/** A scripted far end in the place of a socket. */
class ScriptedWire implements Wire {
  connected = false;
  connects = 0;
  sent: { event: string; payload: Record<string, unknown> }[] = [];
  private handlers = new Map<string, (payload: unknown) => void>();
  private any: (event: string, payload: unknown) => void = () => undefined;
  connect() {
    this.connects += 1;
  }
  disconnect() {
    this.drop();
  }
  emit(event: string, payload: unknown) {
    this.sent.push({ event, payload: payload as Record<string, unknown> });
  }
  on(event: string, handler: (payload: unknown) => void) {
    this.handlers.set(event, handler);
  }
  onAny(handler: (event: string, payload: unknown) => void) {
    this.any = handler;
  }
  open() {
    this.connected = true;
    this.handlers.get("connect")?.(undefined);
  }
  drop() {
    this.connected = false;
    this.handlers.get("disconnect")?.("transport close");
  }
  refuse() {
    this.handlers.get("connect_error")?.(new Error("refused"));
  }
  push(event: string, payload: unknown) {
    this.any(event, payload);
  }
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it("waits 1, 2, 4, 8, 16 and then always 30 seconds", () => {
  expect([0, 1, 2, 3, 4, 5, 50].map(reconnectDelay)).toEqual([1e3, 2e3, 4e3, 8e3, 16e3, 30e3, 30e3]);
});

describe("Connection", () => {
  it("tries again by that policy and begins anew after it was open", () => {
    const wire = new ScriptedWire();
    const connection = new Connection(wire);
    connection.start();
    for (const [index, delay] of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000].entries()) {
      wire.refuse();
      expect(connection.snapshot().phase).toBe("waiting");
      vi.advanceTimersByTime(delay - 1);
      expect(wire.connects).toBe(index + 1);
      vi.advanceTimersByTime(1);
      expect(wire.connects).toBe(index + 2);
    }
    wire.open();
    expect(connection.snapshot()).toEqual({ phase: "connected" });
    wire.drop();
    vi.advanceTimersByTime(1_000);
    expect(wire.connects).toBe(8);
  });

  it("matches answers to requests by id", async () => {
    const wire = new ScriptedWire();
    const connection = new Connection(wire);
    wire.open();
    const first = connection.request("a:get");
    const second = connection.request("b:get");
    const [one, two] = wire.sent;
    wire.push("b:get:result", { success: true, data: 2, requestId: two?.payload.requestId });
    wire.push("a:get:result", {
      success: false,
      error: { code: "not_found", message: "no" },
      requestId: one?.payload.requestId,
    });
    await expect(second).resolves.toBe(2);
    await expect(first).rejects.toBeInstanceOf(Refused);
  });

  it("rejects what was under way when the connection is lost", async () => {
    const wire = new ScriptedWire();
    const connection = new Connection(wire);
    wire.open();
    const request = connection.request("chat:send");
    wire.drop();
    await expect(request).rejects.toBeInstanceOf(NoAnswer);
    await expect(connection.request("chat:send")).rejects.toBeInstanceOf(NoAnswer);
  });

  it("hands broadcasts to their listeners", () => {
    const wire = new ScriptedWire();
    const connection = new Connection(wire);
    const seen: unknown[] = [];
    connection.on("turn:event", (data) => seen.push(data));
    wire.push("turn:event", { type: "event", event: "turn:event", data: { offset: 3 } });
    expect(seen).toEqual([{ offset: 3 }]);
  });

  it("ends a listener when asked", () => {
    const wire = new ScriptedWire();
    const connection = new Connection(wire);
    const seen: unknown[] = [];
    const end = connection.on("a", (data) => seen.push(data));
    let opened = 0;
    const endOpening = connection.onOpen(() => {
      opened += 1;
    });
    wire.open();
    end();
    endOpening();
    wire.push("a", { data: 1 });
    wire.drop();
    wire.open();
    expect([seen, opened]).toEqual([[], 1]);
  });

  it("keeps intents while offline and sends each once, in order", async () => {
    const wire = new ScriptedWire();
    const connection = new Connection(wire);
    const first = connection.intend("models:start", { name: "a" });
    const second = connection.intend("models:stop", { name: "b" });
    expect([connection.queued(), wire.sent.length]).toEqual([2, 0]);
    wire.open();
    expect(connection.queued()).toBe(0);
    expect(wire.sent.map(({ event }) => event)).toEqual(["models:start", "models:stop"]);
    wire.push("x", { success: true, data: "done", requestId: wire.sent[0]?.payload.requestId });
    await expect(first).resolves.toBe("done");
    wire.drop();
    await expect(second).rejects.toBeInstanceOf(NoAnswer);
    wire.open();
    expect(wire.sent).toHaveLength(2);
  });

  it("lets readers wait for the connection", async () => {
    const wire = new ScriptedWire();
    const connection = new Connection(wire);
    const answer = connection.ask("models:list");
    expect(connection.queued()).toBe(0);
    wire.open();
    await vi.waitFor(() => expect(wire.sent).toHaveLength(1));
    wire.push("models:list:result", { success: true, data: [], requestId: wire.sent[0]?.payload.requestId });
    await expect(answer).resolves.toEqual([]);
  });

  it("can forget what waits", async () => {
    const wire = new ScriptedWire();
    const connection = new Connection(wire);
    const intent = connection.intend("models:start", { name: "a" });
    connection.dropQueue();
    await expect(intent).rejects.toBeInstanceOf(Refused);
    wire.open();
    expect(wire.sent).toEqual([]);
  });

  it("tries no more while the page is hidden, and at once when it is seen again", () => {
    const wire = new ScriptedWire();
    const connection = new Connection(wire);
    connection.start();
    wire.open();
    connection.hide(true);
    wire.drop();
    expect(connection.snapshot()).toMatchObject({ phase: "waiting", retryAt: null });
    vi.advanceTimersByTime(600_000);
    expect(wire.connects).toBe(1);
    connection.hide(false);
    expect(wire.connects).toBe(2);
    wire.refuse();
    connection.hide(true);
    vi.advanceTimersByTime(600_000);
    expect(wire.connects).toBe(2);
  });

  it("goes on trying while hidden when something waits to be sent", () => {
    for (const outside of [true, false]) {
      const wire = new ScriptedWire();
      const connection = new Connection(wire, () => outside);
      connection.start();
      if (!outside) void connection.intend("models:start").catch(() => undefined);
      connection.hide(true);
      wire.refuse();
      vi.advanceTimersByTime(1_000);
      expect(wire.connects).toBe(2);
    }
  });

  it("says since when the server is away", () => {
    const wire = new ScriptedWire();
    const connection = new Connection(wire);
    connection.start();
    const since = Date.now();
    wire.refuse();
    vi.advanceTimersByTime(1_000);
    wire.refuse();
    expect(connection.snapshot()).toMatchObject({ phase: "waiting", since });
  });
});
