import { wasmFeatures } from "./wasm";

export type WebGpuState = "none" | "software" | "no-f16" | "ready";

/** What the graphics adapter says of itself; browsers blank the names on purpose. */
export interface Adapter {
  vendor: string;
  architecture: string;
  description: string;
  /** Bytes of the largest buffer. */
  maxBufferSize: number;
  /** Bytes of a buffer that one shader may read: the largest tensor must fit. */
  maxStorageBufferBindingSize: number;
  /** Bytes that the threads of one group share. */
  maxComputeWorkgroupStorageSize: number;
  maxComputeInvocationsPerWorkgroup: number;
}

/** What this browser on this machine can do for a model that runs inside it. Sizes are bytes. */
export interface Capabilities {
  /** `software`: there is an adapter, but the processor does its work; `no-f16`: a real one without `shader-f16`. */
  webgpu: WebGpuState;
  adapter?: Adapter;
  /** Cross-origin isolated, which shared memory and so threads depend on. */
  isolated: boolean;
  /** How many threads an engine may use: 1 where they cannot be had. */
  threads: number;
  /** Logical processors that the browser tells of. */
  cores: number;
  /** Whether WebAssembly may be compiled. */
  wasm: boolean;
  simd: boolean;
  jspi: boolean;
  memory64: boolean;
  opfs: boolean;
  quotaBytes?: number;
  usedBytes?: number;
  persisted?: boolean;
  /** Rounded by the browser, and never told above 8 (32 in newer ones). */
  deviceMemoryGb?: number;
  /** Phones and tablets, where asking for too much memory ends the tab. */
  phone: boolean;
  /** Whether the signs of a private window are there: what is stored then goes with the window. */
  privateMode: boolean;
}

/** The parts of the browser that are asked; tests give their own. */
export interface Surroundings {
  navigator: Partial<Omit<Navigator, "gpu">> & {
    gpu?: Gpu;
    deviceMemory?: number;
    userAgentData?: { mobile?: boolean };
  };
  crossOriginIsolated?: boolean;
  performance?: { memory?: { jsHeapSizeLimit?: number } };
}

/** The piece of WebGPU that is asked here (https://www.w3.org/TR/webgpu/, GPUAdapter). */
interface Gpu {
  requestAdapter(options?: { powerPreference?: string }): Promise<GpuAdapter | null>;
}
interface GpuAdapter {
  features: { has(name: string): boolean };
  limits: Partial<Record<keyof Adapter, number>>;
  info?: { vendor?: string; architecture?: string; description?: string; isFallbackAdapter?: boolean };
  isFallbackAdapter?: boolean;
}

/** Milliseconds after which a part of the browser that does not answer counts as absent. */
const PATIENCE = 5_000;
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render/i;
const HANDHELD = /android|iphone|ipad|ipod|mobile|silk/i;

async function within<T>(work: Promise<T> | undefined, otherwise: T): Promise<T> {
  if (!work) return otherwise;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(otherwise), PATIENCE);
  });
  try {
    return await Promise.race([work, late]);
  } catch {
    return otherwise;
  } finally {
    clearTimeout(timer);
  }
}

async function askGpu(gpu: Gpu | undefined): Promise<{ webgpu: WebGpuState; adapter?: Adapter }> {
  // That there is `navigator.gpu` says nothing: only an adapter does.
  const found = gpu ? await within(gpu.requestAdapter({ powerPreference: "high-performance" }), null) : null;
  if (!found) return { webgpu: "none" };
  const { vendor = "", architecture = "", description = "" } = found.info ?? {};
  const limit = (name: keyof Adapter) => Number(found.limits[name] ?? 0);
  const adapter: Adapter = {
    vendor,
    architecture,
    description,
    maxBufferSize: limit("maxBufferSize"),
    maxStorageBufferBindingSize: limit("maxStorageBufferBindingSize"),
    maxComputeWorkgroupStorageSize: limit("maxComputeWorkgroupStorageSize"),
    maxComputeInvocationsPerWorkgroup: limit("maxComputeInvocationsPerWorkgroup"),
  };
  const slow =
    found.isFallbackAdapter === true ||
    found.info?.isFallbackAdapter === true ||
    SOFTWARE.test(`${vendor} ${architecture} ${description}`);
  if (slow) return { webgpu: "software", adapter };
  return { webgpu: found.features.has("shader-f16") ? "ready" : "no-f16", adapter };
}

async function askStorage(storage: StorageManager | undefined) {
  const [folder, estimate, persisted] = await Promise.all([
    within<unknown>(storage?.getDirectory?.(), null),
    within<StorageEstimate | null>(storage?.estimate?.(), null),
    within<boolean | null>(storage?.persisted?.(), null),
  ]);
  return {
    opfs: folder !== null,
    ...(estimate?.quota !== undefined && { quotaBytes: estimate.quota }),
    ...(estimate?.usage !== undefined && { usedBytes: estimate.usage }),
    ...(persisted !== null && { persisted }),
  };
}

/** Phones and tablets; an iPad calls itself a Mac, but a Mac has no touch screen. */
function handheld(navigator: Surroundings["navigator"]): boolean {
  if (navigator.userAgentData?.mobile) return true;
  const agent = navigator.userAgent ?? "";
  return HANDHELD.test(agent) || (agent.includes("Macintosh") && (navigator.maxTouchPoints ?? 0) > 1);
}

/**
 * Asks the browser, not its name: each answer is tried. Takes some milliseconds, at most `PATIENCE`; never rejects, and
 * what cannot be asked counts as absent. Nothing is downloaded and no large memory is taken (see `memory.ts` for that).
 */
export async function probe(world: Surroundings = globalThis as unknown as Surroundings): Promise<Capabilities> {
  const { navigator } = world;
  const [gpu, storage] = await Promise.all([askGpu(navigator.gpu), askStorage(navigator.storage)]);
  const { wasm, simd, shared, memory64, jspi } = wasmFeatures();
  const isolated = world.crossOriginIsolated === true;
  const cores = Math.max(1, navigator.hardwareConcurrency ?? 1);
  const heap = world.performance?.memory?.jsHeapSizeLimit;
  // A private window of Chromium gets a share of the memory as its quota, not of the disk; others refuse the folder.
  const narrow = storage.quotaBytes !== undefined && heap !== undefined && storage.quotaBytes < 2 * heap;
  return {
    ...gpu,
    ...storage,
    isolated,
    threads: isolated && shared ? cores : 1,
    cores,
    wasm,
    simd,
    jspi,
    memory64,
    ...(navigator.deviceMemory !== undefined && { deviceMemoryGb: navigator.deviceMemory }),
    phone: handheld(navigator),
    privateMode: narrow || (navigator.storage !== undefined && !storage.opfs && storage.quotaBytes !== undefined),
  };
}
