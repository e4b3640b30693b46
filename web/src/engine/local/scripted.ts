// What the tests of the engine share: a worker without a thread, and a file and a browser to load a model with.
import type { Adapter } from "./adapters/adapter";
import type { Capabilities } from "./capabilities";
import type { Spawn, WorkerPort } from "./handle";
import { Host } from "./host";
import type { Work } from "./protocol";

/** The head of a GGUF without entries. */
export const FILE = new Blob([new Uint8Array([0x47, 0x47, 0x55, 0x46, 3, ...new Array(19).fill(0)])]);

export const STATS = {
  promptTokens: 1,
  tokens: 1,
  firstTokenMs: 1,
  tokensPerSecond: 1,
  backend: "wasm",
  threads: 1,
} as const;

const GiB = 1024 ** 3;

/** A browser with room and threads, and no graphics card. */
export const BROWSER: Capabilities = {
  webgpu: "none",
  isolated: true,
  threads: 8,
  cores: 8,
  wasm: true,
  simd: true,
  jspi: true,
  memory64: true,
  opfs: true,
  quotaBytes: 20 * GiB,
  usedBytes: GiB,
  phone: false,
  privateMode: false,
};

/** Starts the worker's own host in this thread, with an adapter of the test. */
export function spawning(adapter: () => Adapter): Spawn {
  return () => {
    let ended = false;
    const port: WorkerPort = {
      onmessage: null,
      onerror: null,
      postMessage: (message) => void host.take(message),
      terminate: () => {
        ended = true;
      },
    };
    const host = new Host(
      async () => adapter(),
      (data) => !ended && port.onmessage?.({ data } as MessageEvent),
    );
    return port;
  };
}

/** The beginning of an answer that is to be gone on with, and its words. */
export function begunOf({ messages }: Work): { begun: string; words: number } {
  const last = messages.at(-1);
  const begun = last?.role === "assistant" ? last.content : "";
  return { begun, words: begun ? begun.trim().split(" ").length : 0 };
}
