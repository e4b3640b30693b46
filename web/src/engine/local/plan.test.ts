import { expect, it } from "vitest";
import type { Capabilities } from "./capabilities";
import { readShape } from "./gguf";
import { memoryBudget, planLoad, threadsFor } from "./plan";

const GiB = 1024 ** 3;
const DESKTOP = { webgpu: "none", threads: 8, memory64: true, phone: false, deviceMemoryGb: 8 } as Capabilities;
const SHAPE = { architecture: "llama", contextLength: 32_768, layers: 32, cacheWidth: 2_048 };

/** A GGUF head of these pairs, written as the format says. */
function head(pairs: [string, number | string][], count = pairs.length): Blob {
  const parts: Uint8Array[] = [];
  const put = (size: number, write: (view: DataView) => void) => {
    const bytes = new Uint8Array(size);
    write(new DataView(bytes.buffer));
    parts.push(bytes);
  };
  const u32 = (value: number) => put(4, (view) => view.setUint32(0, value, true));
  const u64 = (value: number) => put(8, (view) => view.setBigUint64(0, BigInt(value), true));
  const text = (value: string) => {
    const bytes = new TextEncoder().encode(value);
    u64(bytes.length);
    parts.push(bytes);
  };
  u32(0x46554747);
  u32(3);
  u64(0);
  u64(count);
  for (const [key, value] of pairs) {
    text(key);
    u32(typeof value === "string" ? 8 : 4);
    if (typeof value === "string") text(value);
    else u32(value);
  }
  return new Blob(parts as BlobPart[]);
}

it("reads the shape of a model and stops before the tokenizer", async () => {
  const file = head([
    ["general.architecture", "llama"],
    ["llama.context_length", 2_048],
    ["llama.block_count", 16],
    ["llama.embedding_length", 1_024],
    ["llama.attention.head_count", 16],
    ["llama.attention.head_count_kv", 4],
    ["tokenizer.ggml.model", "gpt2"],
    ["llama.context_length", 7],
  ]);
  expect(await readShape(file)).toEqual({ architecture: "llama", contextLength: 2_048, layers: 16, cacheWidth: 512 });
});

it("takes what it has read when the head is longer than what is looked at", async () => {
  const shape = await readShape(head([["general.architecture", "qwen2"]], 40));
  expect(shape).toEqual({ architecture: "qwen2" });
});

it.each([
  ["no GGUF", new Blob(["<!doctype html><html></html>"])],
  ["nothing", new Blob([])],
  ["cut", new Blob([new Uint8Array([0x47, 0x47, 0x55, 0x46, 3, 0])])],
  ["absurd", head([["general.architecture", "llama"]], 1e9)],
])("refuses a file that is %s", async (_name, file) => {
  await expect(readShape(file)).rejects.toMatchObject({ code: "device_model_unreadable" });
});

it("never takes all the threads of a large machine", () => {
  expect([1, 2, 4, 6, 8, 12, 16, 64].map(threadsFor)).toEqual([1, 1, 3, 3, 4, 6, 8, 8]);
});

it("keeps to the address space and to a share of the memory", () => {
  expect(memoryBudget({ ...DESKTOP, deviceMemoryGb: 32 })).toBe(3.75 * GiB);
  expect(memoryBudget({ ...DESKTOP, memory64: false, deviceMemoryGb: 32 })).toBe(1.75 * GiB);
  expect(memoryBudget({ ...DESKTOP, deviceMemoryGb: 4 })).toBe(2 * GiB);
  expect(memoryBudget({ ...DESKTOP, phone: true, deviceMemoryGb: undefined })).toBeCloseTo(0.9 * GiB, -3);
});

it("gives the context that fits, the model's own at most", () => {
  expect(planLoad(1e9, SHAPE, DESKTOP)).toEqual({ backend: "wasm", threads: 4, context: 4_096, batch: 128 });
  expect(planLoad(1e9, { ...SHAPE, contextLength: 1_024 }, DESKTOP).context).toBe(1_024);
  // 3.75 GiB less 3.4 GB and the overhead leave room for some 3,500 tokens of 128 KiB.
  const tight = planLoad(3.4e9, SHAPE, DESKTOP).context;
  expect(tight).toBeGreaterThan(512);
  expect(tight).toBeLessThan(4_096);
});

it("refuses what does not fit and says how much is missing", () => {
  expect(() => planLoad(4e9, SHAPE, DESKTOP)).toThrow(/needs about \d+ MiB; this browser may use about 3840 MiB/);
});

it("takes the graphics card only where it can calculate with half precision", () => {
  const backend = (webgpu: Capabilities["webgpu"]) => planLoad(1e9, SHAPE, { ...DESKTOP, webgpu }).backend;
  expect([backend("ready"), backend("no-f16"), backend("software"), backend("none")]).toEqual([
    "webgpu",
    "wasm",
    "wasm",
    "wasm",
  ]);
  expect(planLoad(1e9, SHAPE, { ...DESKTOP, webgpu: "ready" }, { backend: "wasm", threads: 1 })).toMatchObject({
    backend: "wasm",
    threads: 1,
  });
});
