import type { Plan } from "../plan";
import type { Loaded, Source, Work } from "../protocol";
import type { LocalAnswer } from "../types";

/** What an adapter tells while it works. */
export interface Listener {
  /** A piece of the answer, of `tokens` tokens. */
  text(text: string, tokens: number): void;
  /** The share of the prompt that is read. */
  prompt(fraction: number): void;
}

/**
 * One way to run a model in a browser. It is used by the inference worker alone, with one call at a time, and knows
 * nothing of pages. Errors are LocalError; `device_worker_lost` and `device_gpu_lost` say that the adapter is of no
 * more use and must be made anew.
 */
export interface Adapter {
  load(source: Source, plan: Plan, progress: (fraction: number) => void): Promise<Loaded>;
  /** Answers; when `signal` fires it stops soon and returns what there is with `aborted`. */
  generate(work: Work, listener: Listener, signal: AbortSignal): Promise<LocalAnswer>;
  unload(): Promise<void>;
}
