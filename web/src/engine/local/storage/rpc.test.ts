import { expect, it } from "vitest";
import { LocalError } from "../errors";
import { Caller, type Port, serve } from "./rpc";

/** Two ends of a wire that copies what it carries, as workers do. */
function wire(): [Port, Port] {
  const ends = [new EventTarget(), new EventTarget()] as const;
  const end = (mine: EventTarget, other: EventTarget): Port => ({
    postMessage: (message) => {
      const data = structuredClone(message);
      queueMicrotask(() => other.dispatchEvent(new MessageEvent("message", { data })));
    },
    addEventListener: (type, listener) => mine.addEventListener(type, listener as EventListener),
  });
  return [end(ends[0], ends[1]), end(ends[1], ends[0])];
}

const methods = {
  add: (one: number, two: number) => one + two,
  full: () => Promise.reject(new LocalError("device_quota_full", "no room", true)),
  broken: () => {
    throw new TypeError("oh");
  },
};

function pair() {
  const [here, there] = wire();
  serve(there, methods, "device_storage_failed");
  return { here, caller: new Caller(here) };
}

it("brings answers and errors back to whoever asked", async () => {
  const { caller } = pair();
  const answers = await Promise.all([caller.call("add", [1, 2]), caller.call("add", [3, 4])]);
  expect(answers).toEqual([3, 7]);
  await expect(caller.call("full")).rejects.toMatchObject({ code: "device_quota_full", message: "no room" });
  await expect(caller.call("broken")).rejects.toMatchObject({ code: "device_storage_failed", message: "oh" });
});

it.each(["nothing", "toString", "__proto__", "constructor"])("has no method %s", async (method) => {
  await expect(pair().caller.call(method)).rejects.toBeInstanceOf(LocalError);
});

it("passes over what is no call and no answer", async () => {
  const { here, caller } = pair();
  for (const odd of [null, 3, {}, { call: "x", method: "add" }, { reply: 99, value: 1 }]) here.postMessage(odd);
  expect(await caller.call("add", [1, 1])).toBe(2);
});

it("fails all that waits, and all that comes, when the other side is lost", async () => {
  const caller = new Caller(wire()[0]);
  const waiting = caller.call("add", [1, 2]);
  caller.fail(new LocalError("device_storage_failed", "gone", true));
  await expect(waiting).rejects.toThrow("gone");
  await expect(caller.call("add")).rejects.toThrow("gone");
});
