import { ERRORS, type ErrorCode, type ErrorRow, PAGE_STEPS, type PageStep, type Step } from "../api/errors";

/** What is known of a failure: its code, and the seconds after which it may be tried again, where it says so. */
export interface Failure {
  readonly code: ErrorCode;
  readonly retryAfter?: number;
}

/**
 * Takes one step. `false`, or a rejection, says that it cannot be taken here: the next one is. It is given the failure
 * and how often the step was taken before.
 */
export type Action = (failure: Failure, before: number) => Promise<boolean | undefined> | boolean | undefined;

/** What a caller can do beside trying again. */
export type Actions = Partial<Record<PageStep, Action>>;

export interface Options {
  signal?: AbortSignal;
  /** Is told of each step before it is taken, for the status line. */
  told?: (step: PageStep, failure: Failure) => void;
  /** Steps in all, whatever the table allows of each kind. */
  limit?: number;
  /** Whether it may be tried again after a pause alone; else only by the caller's own actions. */
  pauses?: boolean;
  /** Waits for milliseconds; rejects when the signal is aborted. Tests have their own. */
  sleep?: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  random?: () => number;
}

const LIMIT = 24;
/** Steps that are only a pause, unless the caller has something better. */
const PAUSES: readonly string[] = ["retry", "wait", "resume"];

/** The row of an error, and what it says of itself; null for an error that is not in the table. */
export function failureOf(error: unknown): Failure | null {
  const { code, retryAfter } = (typeof error === "object" && error !== null ? error : {}) as Record<string, unknown>;
  if (typeof code !== "string" || !Object.hasOwn(ERRORS, code)) return null;
  return { code: code as ErrorCode, ...(typeof retryAfter === "number" && { retryAfter }) };
}

/** Milliseconds before taking `step` that was taken `before` times; null when the failure asks for more than the step waits. */
export function pauseOf(step: Step, before: number, failure: Failure, random: number): number | null {
  const { pause = 0, longest = pause } = step;
  if (step.strategy === "wait" && failure.retryAfter !== undefined) {
    const asked = failure.retryAfter * 1000;
    return asked <= longest ? asked : null;
  }
  // Half of it by chance: what failed together does not come back together.
  return Math.min(longest, pause * 2 ** before) * (0.5 + random / 2);
}

/** The first step that may still be taken; `taken` has how often each was. */
export function nextStep(failure: Failure, taken: ReadonlyMap<string, number>, able: (step: PageStep) => boolean) {
  const { steps }: ErrorRow = ERRORS[failure.code];
  return steps.find(
    (step): step is Step & { strategy: PageStep } =>
      PAGE_STEPS.includes(step.strategy) &&
      able(step.strategy as PageStep) &&
      (taken.get(step.strategy) ?? 0) < (step.tries ?? 1),
  );
}

/**
 * Does `work`, and where it fails what the table of errors says of that failure, until it succeeds or there is nothing
 * left to do; then rejects with its last error. `work` calls what it is given when it got on: the steps count anew.
 */
export async function recover<T>(
  work: (progress: () => void) => Promise<T>,
  actions: Actions = {},
  options: Options = {},
): Promise<T> {
  const { signal, told, limit = LIMIT, pauses = true, sleep = pausing, random = Math.random } = options;
  const taken = new Map<string, number>();
  const progress = () => taken.clear();
  for (let left = limit; ; left -= 1) {
    try {
      return await work(progress);
    } catch (error) {
      const failure = failureOf(error);
      if (failure === null || signal?.aborted || left <= 0) throw error;
      const took = await step(failure, { taken, actions, signal, told, pauses, sleep, random });
      if (!took || signal?.aborted) throw error;
    }
  }
}

interface Around extends Pick<Options, "signal" | "told">, Required<Pick<Options, "pauses" | "sleep" | "random">> {
  taken: Map<string, number>;
  actions: Actions;
}

/** Takes the next step that can be taken; whether there was one. */
async function step(failure: Failure, around: Around): Promise<boolean> {
  const { taken, actions, signal, told, pauses, sleep, random } = around;
  const able = (name: PageStep) => (pauses && PAUSES.includes(name)) || actions[name] !== undefined;
  for (;;) {
    const next = nextStep(failure, taken, able);
    if (next === undefined) return false;
    const before = taken.get(next.strategy) ?? 0;
    taken.set(next.strategy, before + 1);
    const pause = pauseOf(next, before, failure, random());
    if (pause === null) continue;
    told?.(next.strategy, failure);
    try {
      if (pause > 0) await sleep(pause, signal);
      if ((await actions[next.strategy]?.(failure, before)) !== false) return true;
    } catch {
      if (signal?.aborted) return false;
    }
  }
}

/** Waits; rejects when the signal is aborted. */
export function pausing(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", gone);
      resolve();
    }, milliseconds);
    if (signal?.aborted) gone();
    else signal?.addEventListener("abort", gone, { once: true });
  });
}
