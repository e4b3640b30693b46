import { expect, test } from "vitest";
import type { Wire } from "./connection";
import { LateWire } from "./latewire";

class Line implements Wire {
  connected = false;
  readonly sent: unknown[] = [];
  private readonly handlers = new Map<string, (payload: unknown) => void>();
  private any: ((event: string, payload: unknown) => void) | null = null;
  connect() {
    this.connected = true;
    this.tell("connect", undefined);
  }
  disconnect() {
    this.connected = false;
    this.tell("disconnect", undefined);
  }
  emit(event: string, payload: unknown) {
    this.sent.push([event, payload]);
  }
  on(event: string, handler: (payload: unknown) => void) {
    this.handlers.set(event, handler);
  }
  onAny(handler: (event: string, payload: unknown) => void) {
    this.any = handler;
  }
  tell(event: string, payload: unknown) {
    this.handlers.get(event)?.(payload);
    this.any?.(event, payload);
  }
}

function made(load: () => Promise<Wire>) {
  const wire = new LateWire(load);
  const heard: string[] = [];
  for (const event of ["connect", "disconnect", "connect_error"]) wire.on(event, () => heard.push(event));
  wire.onAny((event, payload) => event === "news" && heard.push(`any ${String(payload)}`));
  return { wire, heard };
}

const soon = () => new Promise((resolve) => setTimeout(resolve));

test("the transport is loaded once, and everything is heard that was listened for before", async () => {
  const line = new Line();
  let loads = 0;
  const { wire, heard } = made(async () => {
    loads++;
    return line;
  });
  expect([wire.connected, loads]).toEqual([false, 0]);
  wire.connect();
  wire.connect();
  await soon();
  expect([wire.connected, loads, heard]).toEqual([true, 1, ["connect"]]);
  wire.on("late", () => heard.push("late"));
  wire.emit("hello", 1);
  line.tell("late", null);
  line.tell("news", 7);
  expect(line.sent).toEqual([["hello", 1]]);
  wire.disconnect();
  expect(heard).toEqual(["connect", "late", "any 7", "disconnect"]);
});

test("a transport that cannot be loaded is a failed connection, and the next try loads it again", async () => {
  const line = new Line();
  let away = true;
  const { wire, heard } = made(async () => {
    if (away) throw new TypeError("Failed to fetch dynamically imported module");
    return line;
  });
  wire.connect();
  await soon();
  expect([wire.connected, heard]).toEqual([false, ["connect_error"]]);
  away = false;
  wire.connect();
  await soon();
  expect([wire.connected, heard]).toEqual([true, ["connect_error", "connect"]]);
});

test("a wire that was given up while its transport came stays closed", async () => {
  const line = new Line();
  const { wire, heard } = made(async () => line);
  wire.connect();
  wire.disconnect();
  await soon();
  expect([wire.connected, line.connected, heard]).toEqual([false, false, []]);
});
