/** The page's end of the inference worker: starts it, sees it die, and never waits for ever. */

import { randomKey } from "../ids";
import { failure, fromWire, type LocalError } from "./errors";
import type { Plan } from "./plan";
import { type Command, type Loaded, type Report, readReport, type Source, type Work } from "./protocol";
import type { LocalAnswer } from "./types";

/** What is used of a Worker. */
export interface WorkerPort {
  postMessage(message: unknown): void;
  terminate(): void;
  onmessage: ((event: MessageEvent) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
}

/** Errors after which the library in the worker cannot be used again. */
const FATAL: ReadonlySet<string> = new Set([
  "device_worker_lost",
  "device_gpu_lost",
  "device_memory",
  "device_schema_unsupported",
]);

/** Starts a worker of that name. */
export type Spawn = (name: string) => WorkerPort;

/** Milliseconds without progress after which work counts as stuck. */
export interface Patience {
  load: number;
  answer: number;
}

export const PATIENCE: Patience = { load: 120_000, answer: 120_000 };

export interface Hearing {
  text(text: string, tokens: number): void;
  progress(fraction: number): void;
  /** A sign of life. */
  alive(): void;
}

interface Pending {
  id: string;
  hearing: Partial<Hearing>;
  patience: number;
  late: "device_load_timeout" | "device_stalled";
  timer: ReturnType<typeof setTimeout> | undefined;
  resolve(report: Report): void;
  reject(error: LocalError): void;
}

export const spawnWorker: Spawn = (name) =>
  new Worker(new URL("./inference.worker.ts", import.meta.url), { type: "module", name });

/** One worker. After `device_worker_lost`, `device_stalled` or a time limit it is of no more use: `dead`. */
export class WorkerHandle {
  private readonly port: WorkerPort;
  private readonly ended = new AbortController();
  private pending: Pending | null = null;
  private gone: LocalError | null = null;

  constructor(
    spawn: Spawn,
    private readonly patience: Patience = PATIENCE,
    locks: LockManager | undefined = navigator.locks,
  ) {
    const name = `corral.device.worker.${randomKey()}`;
    this.port = spawn(name);
    this.port.onmessage = ({ data }) => this.hear(data);
    this.port.onerror = (event) => {
      event.preventDefault?.();
      this.die(failure("device_worker_lost", `The worker failed: ${event.message || "it could not be started"}`, true));
    };
    this.watch(name, locks);
  }

  get dead(): boolean {
    return this.gone !== null;
  }

  async load(source: Source, plan: Plan, hearing: Partial<Hearing>): Promise<Loaded> {
    const report = await this.ask(
      (id) => ({ type: "LOAD", id, payload: { source, plan } }),
      "device_load_timeout",
      hearing,
    );
    return (report as Extract<Report, { type: "LOADED" }>).payload;
  }

  async generate(work: Work, hearing: Partial<Hearing>, signal?: AbortSignal): Promise<LocalAnswer> {
    let id = "";
    const stop = () => this.post({ type: "ABORT", id });
    const asked = this.ask(
      (own) => {
        id = own;
        return { type: "GENERATE", id, payload: work };
      },
      "device_stalled",
      hearing,
    );
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
    try {
      return ((await asked) as Extract<Report, { type: "COMPLETE" }>).payload as LocalAnswer;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  /** Ends the worker with all that it holds; what was under way fails with `reason`. */
  end(reason: LocalError = failure("device_unloaded", "The model was unloaded.", true)): void {
    this.die(reason);
  }

  /** Learns of the worker's end by the lock that it holds while it lives. */
  private watch(name: string, locks: LockManager | undefined): void {
    if (!locks) return;
    const { signal } = this.ended;
    // Asked for once the worker has said that it holds it.
    this.first = () => {
      locks
        .request(name, { signal }, () => this.die(failure("device_worker_lost", "The worker ended.", true)))
        .catch(() => undefined);
    };
  }

  private first: () => void = () => undefined;

  private ask(make: (id: string) => Command, late: Pending["late"], hearing: Partial<Hearing>): Promise<Report> {
    if (this.gone) return Promise.reject(this.gone);
    if (this.pending) return Promise.reject(failure("device_queue_full", "The worker is at work already.", true));
    const id = randomKey();
    return new Promise<Report>((resolve, reject) => {
      const patience = late === "device_stalled" ? this.patience.answer : this.patience.load;
      this.pending = { id, hearing, patience, late, timer: undefined, resolve, reject };
      this.wind(this.pending);
      this.post(make(id));
    });
  }

  private post(command: Command): void {
    if (!this.gone) this.port.postMessage(command);
  }

  private wind(pending: Pending): void {
    clearTimeout(pending.timer);
    pending.timer = setTimeout(() => {
      const seconds = Math.round(pending.patience / 1_000);
      this.die(failure(pending.late, `The engine made no progress for ${seconds} seconds.`, true));
    }, pending.patience);
  }

  private hear(data: unknown): void {
    const report = readReport(data);
    // Only this word says that the worker holds its lock: asked for before, it might be given to the page.
    if (report?.type === "ALIVE" && report.id === "") {
      this.first();
      this.first = () => undefined;
      return;
    }
    const { pending } = this;
    if (!report || !pending || report.id !== pending.id) return;
    if (report.type === "ALIVE") {
      pending.hearing.alive?.();
      return;
    }
    // A sign of life says that the worker turns, not that the engine in it does: only progress winds the clock.
    this.wind(pending);
    if (report.type === "TOKEN") pending.hearing.text?.(report.payload.text, report.payload.tokens);
    else if (report.type === "PROGRESS") pending.hearing.progress?.(report.payload.fraction);
    else this.finish(pending, report);
  }

  private finish(pending: Pending, report: Report): void {
    clearTimeout(pending.timer);
    this.pending = null;
    if (report.type !== "ERROR") {
      pending.resolve(report);
      return;
    }
    const error = fromWire(report.payload);
    if (FATAL.has(error.code)) this.die(error);
    pending.reject(error);
  }

  private die(reason: LocalError): void {
    if (this.gone) return;
    this.gone = reason;
    this.ended.abort();
    this.port.onmessage = null;
    this.port.onerror = null;
    this.port.terminate();
    const { pending } = this;
    this.pending = null;
    if (!pending) return;
    clearTimeout(pending.timer);
    pending.reject(reason);
  }
}
