import { afterEach, describe, expect, it, vi } from "vitest";
import { probe, type Surroundings } from "./capabilities";
import { wasmFeatures } from "./wasm";

const GB = 1024 ** 3;
type Nav = Surroundings["navigator"];

function gpu(f16: boolean, info: object, fallback = false): Nav["gpu"] {
  const adapter = {
    features: { has: (name: string) => f16 && name === "shader-f16" },
    limits: { maxBufferSize: 2 * GB, maxStorageBufferBindingSize: GB },
    info,
    isFallbackAdapter: fallback,
  };
  return { requestAdapter: async () => adapter };
}

function storage(opfs: boolean, quota: number, persisted = false): StorageManager {
  return {
    getDirectory: () => (opfs ? Promise.resolve({}) : Promise.reject(new DOMException("no", "SecurityError"))),
    estimate: async () => ({ quota, usage: 1_000 }),
    persisted: async () => persisted,
  } as unknown as StorageManager;
}

afterEach(() => vi.useRealTimers());

describe("probe", () => {
  it.each([
    ["none", undefined],
    ["none", { requestAdapter: async () => null }],
    ["none", { requestAdapter: () => Promise.reject(new Error("lost")) }],
    ["software", gpu(true, { vendor: "google", architecture: "swiftshader" })],
    ["software", gpu(true, {}, true)],
    ["software", gpu(true, { isFallbackAdapter: true })],
    ["no-f16", gpu(false, { vendor: "intel" })],
    ["ready", gpu(true, { vendor: "apple" })],
  ] as const)("says %s of an adapter", async (state, found) => {
    const seen = await probe({ navigator: { gpu: found as Nav["gpu"] } });
    expect(seen.webgpu).toBe(state);
    expect(seen.adapter?.maxBufferSize).toBe(state === "none" ? undefined : 2 * GB);
  });

  it("gives up an adapter that never comes", async () => {
    vi.useFakeTimers();
    const seen = probe({ navigator: { gpu: { requestAdapter: () => new Promise(() => {}) } } });
    await vi.advanceTimersByTimeAsync(6_000);
    expect((await seen).webgpu).toBe("none");
  });

  it("counts threads only on an isolated page", async () => {
    const navigator = { hardwareConcurrency: 8 };
    expect((await probe({ navigator, crossOriginIsolated: true })).threads).toBe(8);
    const alone = await probe({ navigator, crossOriginIsolated: false });
    expect([alone.threads, alone.cores, alone.isolated]).toEqual([1, 8, false]);
  });

  it("tells of storage, and of a browser without it", async () => {
    const seen = await probe({ navigator: { storage: storage(true, 50 * GB, true) } });
    expect(seen).toMatchObject({ opfs: true, quotaBytes: 50 * GB, usedBytes: 1_000, persisted: true });
    const bare = await probe({ navigator: {} });
    expect(bare.opfs).toBe(false);
    expect(bare).not.toHaveProperty("quotaBytes");
    expect(bare).not.toHaveProperty("persisted");
    expect(bare.privateMode).toBe(false);
  });

  it.each([
    [true, storage(true, GB), 4 * GB],
    [true, storage(false, 10 * GB), undefined],
    [false, storage(true, 50 * GB), 4 * GB],
  ])("takes a private window for one: %s", async (is, kept, heap) => {
    const performance = heap === undefined ? {} : { memory: { jsHeapSizeLimit: heap } };
    expect((await probe({ navigator: { storage: kept }, performance })).privateMode).toBe(is);
  });

  it.each([
    [true, { userAgentData: { mobile: true }, userAgent: "anything" }],
    [true, { userAgent: "Mozilla/5.0 (Linux; Android 16; Pixel) Mobile" }],
    [true, { userAgent: "Mozilla/5.0 (Macintosh; Intel Mac OS X)", maxTouchPoints: 5 }],
    [false, { userAgent: "Mozilla/5.0 (Macintosh; Intel Mac OS X)", maxTouchPoints: 0 }],
    [false, { userAgent: "Mozilla/5.0 (X11; Linux x86_64)" }],
  ])("holds a handheld for one: %s", async (is, navigator) => {
    expect((await probe({ navigator })).phone).toBe(is);
  });
});

describe("wasmFeatures", () => {
  it("finds what this engine is known to have", () => {
    expect(wasmFeatures()).toMatchObject({ wasm: true, simd: true, shared: true });
  });

  it("finds nothing where WebAssembly is missing or forbidden", () => {
    vi.stubGlobal("WebAssembly", undefined);
    expect(wasmFeatures()).toEqual({ wasm: false, simd: false, shared: false, memory64: false, jspi: false });
    vi.unstubAllGlobals();
  });
});
