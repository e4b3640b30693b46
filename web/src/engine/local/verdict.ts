import type { Capabilities } from "./capabilities";
import { threadsFor } from "./plan";

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;
/** What an engine takes beside the weights: its program, a small context, its working memory. */
const BESIDE = 224 * MiB;
/** The share of the memory above which other tabs begin to matter. */
const CLOSE = 0.75;
/** Bytes of weights up to which a processor answers at reading pace, with threads and alone. */
const LIGHT_THREADS = 1 * GiB;
const LIGHT_ALONE = 256 * MiB;

export type Verdict = "fits" | "tight" | "no";

/** A model as far as the verdict needs it. */
export interface Candidate {
  bytes: number;
  /** Why the server says that no browser can take it. */
  reason?: string | null;
  /** Bytes of it that are stored on this device. */
  stored?: number;
}

export interface Judged {
  verdict: Verdict;
  /** A whole sentence. */
  reason: string;
}

const size = (bytes: number) =>
  bytes >= GiB ? `${(bytes / GiB).toFixed(1)} GiB` : `${Math.max(1, Math.round(bytes / MiB))} MiB`;

/** Bytes of this device's storage that are left for this site; undefined where the browser does not tell. */
export function storageLeft({ quotaBytes, usedBytes }: Capabilities): number | undefined {
  return quotaBytes === undefined ? undefined : Math.max(0, quotaBytes - (usedBytes ?? 0));
}

/** Whether a model runs in this browser, and why. `budget`: bytes of memory that a model may take here. */
export function judge(model: Candidate, capabilities: Capabilities, budget: number): Judged {
  const { wasm, simd, opfs, webgpu } = capabilities;
  const threads = threadsFor(capabilities.threads);
  if (model.reason) return { verdict: "no", reason: model.reason };
  if (!wasm) return { verdict: "no", reason: "This browser does not run WebAssembly." };
  if (!simd) return { verdict: "no", reason: "This browser's WebAssembly lacks SIMD; a newer version has it." };
  const needed = model.bytes + BESIDE;
  if (needed > budget) {
    return { verdict: "no", reason: `Needs about ${size(needed)} of memory; here it may take ${size(budget)}.` };
  }
  const left = storageLeft(capabilities);
  const missing = model.bytes - (model.stored ?? 0);
  if (opfs && left !== undefined && missing > left) {
    return { verdict: "no", reason: `Needs ${size(missing)} of storage; the browser gives this site ${size(left)}.` };
  }
  const gpu = webgpu === "ready";
  const slow: string[] = [];
  if (!gpu && model.bytes > (threads > 1 ? LIGHT_THREADS : LIGHT_ALONE)) {
    slow.push(threads > 1 ? "the processor alone answers slowly" : "one thread of the processor answers slowly");
  }
  if (needed > budget * CLOSE) slow.push("it takes nearly all the memory that a page may have");
  if (!opfs) slow.push("it cannot be stored, so every visit downloads it again");
  const way = gpu ? "Runs on the graphics card" : `Runs on ${threads > 1 ? `${threads} threads` : "one thread"}`;
  if (slow.length > 0) return { verdict: "tight", reason: `${way}, but ${slow.join(", and ")}.` };
  return { verdict: "fits", reason: `${way}.` };
}
