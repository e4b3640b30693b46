import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Adapter } from "./adapters/adapter";
import { Batcher } from "./batcher";
import { Joint, remaining } from "./continuing";
import { failure } from "./errors";
import { Host } from "./host";
import type { Report, Work } from "./protocol";
import { Queue } from "./queue";
import { STATS } from "./scripted";

const WORK: Work = { messages: [{ role: "user", content: "Hi" }], sampling: { maxTokens: 10 } };
const LOAD = {
  type: "LOAD",
  id: "l",
  payload: {
    source: { kind: "gguf", files: [new Blob(["x"])] },
    plan: { backend: "wasm", threads: 1, context: 64, batch: 8 },
  },
};

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("Batcher", () => {
  it("sends the first piece at once and gathers the others", () => {
    const sent: [string, number][] = [];
    const batcher = new Batcher((text, tokens) => sent.push([text, tokens]));
    for (const piece of ["a", "b", "c"]) batcher.add(piece, 1);
    expect(sent).toEqual([["a", 1]]);
    vi.advanceTimersByTime(40);
    expect(sent).toEqual([
      ["a", 1],
      ["bc", 2],
    ]);
    batcher.add("d", 1);
    batcher.flush();
    batcher.flush();
    expect(sent.at(-1)).toEqual(["d", 1]);
    expect(sent).toHaveLength(3);
  });
});

describe("Host", () => {
  /** An adapter whose answers the test writes. */
  function scripted(answer: Adapter["generate"]) {
    const reports: Report[] = [];
    const unload = vi.fn(async () => undefined);
    const adapter: Adapter = {
      load: async () => ({ backend: "wasm", threads: 1, context: 64 }),
      generate: answer,
      unload,
    };
    const host = new Host(
      async () => adapter,
      (report) => reports.push(report),
    );
    return { host, reports, unload };
  }

  it("sends the last piece before the end", async () => {
    const { host, reports } = scripted(async (_work, listener) => {
      for (const piece of ["one", " two", " three"]) listener.text(piece, 1);
      return { text: "one two three", stop: "stop", stats: STATS };
    });
    await host.take(LOAD);
    await host.take({ type: "GENERATE", id: "g", payload: WORK });
    expect(reports.map(({ type }) => type)).toEqual(["LOADED", "TOKEN", "TOKEN", "COMPLETE"]);
  });

  it("aborts the work it is named and no other", async () => {
    const { host, reports } = scripted(
      (_work, _listener, signal) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => resolve({ text: "", stop: "aborted", stats: STATS }));
        }),
    );
    await host.take(LOAD);
    const work = host.take({ type: "GENERATE", id: "g", payload: WORK });
    await host.take({ type: "ABORT", id: "other" });
    await host.take({ type: "GENERATE", id: "second", payload: WORK });
    expect(reports.at(-1)).toMatchObject({ type: "ERROR", id: "second", payload: { code: "device_queue_full" } });
    vi.advanceTimersByTime(2_000);
    expect(reports.at(-1)).toEqual({ type: "ALIVE", id: "g" });
    await host.take({ type: "ABORT", id: "g" });
    await work;
    expect(reports.at(-1)).toMatchObject({ type: "COMPLETE", id: "g", payload: { stop: "aborted" } });
  });

  it("reports what fails with its code, also what is no message", async () => {
    const { host, reports, unload } = scripted(async () => {
      throw failure("device_gpu_lost", "gone", true);
    });
    await host.take({ type: "GENERATE", id: "g", payload: WORK });
    await host.take(LOAD);
    await host.take({ type: "GENERATE", id: "g", payload: WORK });
    await host.take("nonsense");
    const codes = reports.map((report) => (report.type === "ERROR" ? report.payload.code : report.type));
    expect(codes).toEqual(["device_worker_lost", "LOADED", "device_gpu_lost", "device_request_invalid"]);
    await host.take({ type: "CLEANUP", id: "c" });
    expect(unload).toHaveBeenCalledOnce();
    expect(reports.at(-1)).toEqual({ type: "COMPLETE", id: "c" });
  });
});

describe("going on with a cut answer", () => {
  it("asks for what is left of it", () => {
    expect(remaining(WORK, "", 0)).toBe(WORK);
    const work = remaining(WORK, "Once upon", 4);
    expect(work.messages.at(-1)).toEqual({ role: "assistant", content: "Once upon" });
    expect(work.sampling.maxTokens).toBe(6);
    const again = remaining(work, " a time", 3);
    expect(again.messages).toHaveLength(2);
    expect(again.messages.at(-1)?.content).toBe("Once upon a time");
    expect(() => remaining({ ...WORK, schema: {} }, "{", 1)).toThrow(expect.objectContaining({ recoverable: true }));
  });

  it.each([
    ["whole at once", "Once", ["Once upon"], " upon"],
    ["in pieces", "Once upon", ["On", "ce u", "pon a", " time"], " a time"],
    ["with space that the template cut off", "Once \n", ["Once", " upon"], "upon"],
    ["with a space that comes alone", "Once ", ["Once", " ", "upon"], "upon"],
    ["not at all", "Once", [" upon"], " upon"],
  ])("leaves out what the engine says again: %s", (_name, content, pieces, fresh) => {
    const joint = new Joint({ ...WORK, messages: [...WORK.messages, { role: "assistant", content }] });
    expect(pieces.map((piece) => joint.take(piece)).join("")).toBe(fresh);
  });
});

describe("Queue", () => {
  it("runs one after the other and refuses what is too much", async () => {
    const queue = new Queue(2);
    const order: string[] = [];
    let open: () => void = () => undefined;
    const first = queue.run(() =>
      new Promise<void>((resolve) => (open = resolve)).then(() => void order.push("first")),
    );
    await Promise.resolve();
    const second = queue.run(async () => {
      order.push("second");
      throw new Error("no");
    });
    const third = queue.run(async () => void order.push("third"));
    await expect(queue.run(async () => undefined)).rejects.toMatchObject({
      code: "device_queue_full",
      recoverable: true,
    });
    open();
    await first;
    await expect(second).rejects.toThrow("no");
    await third;
    expect(order).toEqual(["first", "second", "third"]);
  });
});
