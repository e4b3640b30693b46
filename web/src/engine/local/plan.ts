/** How a model is loaded on this device: pure decisions. */
import type { Capabilities } from "./capabilities";
import { failure } from "./errors";
import type { Shape } from "./gguf";
import type { Backend } from "./types";

export interface Plan {
  backend: Backend;
  threads: number;
  /** Tokens of prompt and answer together. */
  context: number;
  /** Tokens of a prompt that are read at once; between two of them a stop is heard. */
  batch: number;
}

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;
/** Contexts beyond this cost more memory than a chat in a browser needs. */
const CONTEXT = 4_096;
const CONTEXT_LEAST = 512;
/** What the engine takes beside weights and cache. */
const OVERHEAD = 160 * MiB;
/** Bytes of one element of the cache (f16), and what a token costs where the file does not say. */
const ELEMENT = 2;
const TOKEN_UNKNOWN = 128 * 1024;
const THREADS = 8;

/** The memory, in bytes, that a model may take here: the address space of WebAssembly, and a share of what there is. */
export function memoryBudget({ deviceMemoryGb, phone, memory64 }: Capabilities): number {
  const space = (memory64 ? 4 : 2) * GiB - 256 * MiB;
  const there = (deviceMemoryGb ?? (phone ? 3 : 8)) * GiB;
  return Math.min(space, there * (phone ? 0.3 : 0.5));
}

/**
 * Threads for an engine on a machine of that many. They wait for each other in tight loops, so one whose processor is
 * taken by something else slows all of them down many times: one is left free. Of many, half: they share their arithmetic in pairs.
 */
export function threadsFor(threads: number): number {
  if (threads <= 4) return Math.max(1, threads - 1);
  return Math.min(THREADS, Math.max(3, Math.floor(threads / 2)));
}

/** Bytes that one token takes in the cache of this model. */
export function tokenBytes({ layers, cacheWidth }: Shape): number {
  return layers && cacheWidth ? layers * cacheWidth * ELEMENT : TOKEN_UNKNOWN;
}

export interface Wish {
  backend?: Backend;
  threads?: number;
  context?: number;
}

/** The same with the processor in the place of the graphics card; null where it is the processor already. */
export function onProcessor(plan: Plan): Plan | null {
  return plan.backend === "webgpu" ? { ...plan, backend: "wasm" } : null;
}

/** The same with half the context; null when that would be of no use. */
export function halved(plan: Plan): Plan | null {
  return plan.context >= 2 * CONTEXT_LEAST ? { ...plan, context: Math.floor(plan.context / 2) } : null;
}

/** The plan for a GGUF of `bytes` bytes. Raises LocalError `device_memory` when it does not fit with a useful context. */
export function planLoad(bytes: number, shape: Shape, capabilities: Capabilities, wish: Wish = {}): Plan {
  const budget = memoryBudget(capabilities);
  const left = budget - bytes - OVERHEAD;
  const fits = Math.floor(left / tokenBytes(shape));
  const most = Math.min(wish.context ?? CONTEXT, shape.contextLength ?? CONTEXT);
  if (fits < Math.min(CONTEXT_LEAST, most)) {
    const needed = Math.ceil((bytes + OVERHEAD + CONTEXT_LEAST * tokenBytes(shape)) / MiB);
    throw failure(
      "device_memory",
      `The model needs about ${needed} MiB; this browser may use about ${Math.floor(budget / MiB)} MiB for one.`,
    );
  }
  const gpu = capabilities.webgpu === "ready" && wish.backend !== "wasm";
  return {
    backend: gpu ? "webgpu" : "wasm",
    threads: Math.min(wish.threads ?? threadsFor(capabilities.threads), capabilities.threads),
    context: Math.min(most, fits),
    batch: gpu ? 512 : 128,
  };
}
