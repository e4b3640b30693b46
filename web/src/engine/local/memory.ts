import type { Capabilities } from "./capabilities";

/** Milliseconds that a measurement may take. */
const PATIENCE = 10_000;

/**
 * Bytes of one WebAssembly memory that this browser gives when asked, at most 4 GiB. The memory is only reserved, never
 * written, and given back at once; it is asked for in a worker, which may fail alone. Undefined on phones and tablets,
 * where asking can end the whole tab, and where no worker starts.
 */
export function measureMemory({ phone, wasm }: Capabilities): Promise<number | undefined> {
  if (phone || !wasm || typeof Worker === "undefined") return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const worker = new Worker(new URL("./memory.worker.ts", import.meta.url), { type: "module" });
    const finish = (bytes: number | undefined) => {
      clearTimeout(timer);
      worker.terminate();
      resolve(bytes);
    };
    const timer = setTimeout(() => finish(undefined), PATIENCE);
    worker.onerror = () => finish(undefined);
    worker.onmessage = ({ data }: MessageEvent<number>) => finish(data);
  });
}
