/** The loaded model of this browser, in the tab that holds it. */

import { recover } from "../recovery";
import type { Capabilities } from "./capabilities";
import { continues, Joint, remaining } from "./continuing";
import { failure, type LocalError, localError } from "./errors";
import { readShape } from "./gguf";
import { PATIENCE, type Patience, type Spawn, spawnWorker, WorkerHandle } from "./handle";
import { halved, onProcessor, type Plan, planLoad, type Wish } from "./plan";
import type { Source, Work } from "./protocol";
import { Queue } from "./queue";
import type { CompiledModel, EngineState, LocalAnswer, ModelSource } from "./types";

export interface Parts {
  files: ModelSource;
  capabilities(): Promise<Capabilities>;
  /** Models compiled for WebGPU, which do not come from `files`. */
  compiled?: readonly CompiledModel[];
  wish?: Wish;
  spawn?: Spawn;
  patience?: Patience;
}

/** What the one who asked hears while it waits. */
export interface Ear {
  text(text: string, tokens: number): void;
  alive?(): void;
}

/** Requests that may wait behind the one at work. */
const WAITING = 8;

/** An answer as far as it was told. */
interface Draft {
  text: string;
  tokens: number;
  begun: number;
  first?: number;
}

type State = Omit<EngineState, "leader">;
interface Holding {
  model: string;
  source: Source;
  plan: Plan;
  threads: number;
  handle: WorkerHandle;
}

/** Loads, answers, recovers. One piece of work at a time. */
export class Inference {
  private holding: Holding | null = null;
  private readonly queue = new Queue(WAITING);
  private readonly ears = new Set<Ear>();
  private ended: LocalError | null = null;

  constructor(
    private readonly parts: Parts,
    private readonly tell: (state: State) => void,
  ) {}

  load(model: string, ear?: Ear): Promise<void> {
    return this.turn(ear, async () => {
      await this.hold(model);
    });
  }

  async generate(model: string, work: Work, ear: Ear, signal: AbortSignal): Promise<LocalAnswer> {
    if (signal.aborted) return nothing();
    let leave: () => void = () => undefined;
    const left = new Promise<LocalAnswer>((resolve) => {
      leave = () => resolve(nothing());
    });
    signal.addEventListener("abort", leave, { once: true });
    const turn = this.turn(ear, async () => {
      signal.removeEventListener("abort", leave);
      if (signal.aborted) return nothing();
      return this.answer(model, work, ear, signal);
    });
    // Who stops waiting in the queue need not wait for the answers before it.
    return Promise.race([turn, left]);
  }

  /** Unloads at once; what is under way fails. */
  unload(): void {
    this.drop(failure("device_unloaded", "The model was unloaded.", true));
    this.tell({ kind: "idle" });
  }

  /** The end of this engine: nothing more is begun. */
  end(reason: LocalError): void {
    this.ended = reason;
    this.drop(reason);
  }

  private turn<T>(ear: Ear | undefined, work: () => Promise<T>): Promise<T> {
    if (ear) this.ears.add(ear);
    const run = this.queue.run(() => {
      if (this.ended) throw this.ended;
      return work();
    });
    return run.finally(() => ear && this.ears.delete(ear));
  }

  private drop(reason: LocalError): void {
    this.holding?.handle.end(reason);
    this.holding = null;
  }

  private async hold(model: string): Promise<Holding> {
    const { holding } = this;
    if (holding?.model === model && !holding.handle.dead) return holding;
    this.drop(failure("device_unloaded", "Another model is loaded.", true));
    this.tell({ kind: "loading", model, progress: 0 });
    try {
      const { source, plan } = await this.prepare(model);
      return await this.start(model, source, plan);
    } catch (error) {
      const reason = localError(error, "device_load_failed");
      if (reason.code !== "device_unloaded") this.tell({ kind: "failed", model, reason: reason.message });
      throw reason;
    }
  }

  private async prepare(model: string): Promise<{ source: Source; plan: Plan }> {
    const capabilities = await this.parts.capabilities();
    const compiled = this.parts.compiled?.find(({ id }) => id === model);
    if (compiled) {
      if (capabilities.webgpu === "none" || capabilities.webgpu === "software") {
        throw failure(
          "device_gpu_missing",
          "This model is compiled for WebGPU, and there is no graphics adapter for it.",
        );
      }
      const plan: Plan = { backend: "webgpu", threads: 1, context: compiled.context ?? 4_096, batch: 512 };
      return { source: { kind: "mlc", model: compiled }, plan };
    }
    if (!capabilities.wasm || !capabilities.simd) throw failure("device_wasm_missing");
    const files = await this.parts.files.open(model);
    const [first] = files;
    if (!first) throw failure("device_model_unreadable", "The model has no file on this device.");
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    const plan = planLoad(bytes, await readShape(first), capabilities, this.parts.wish);
    return { source: { kind: "gguf", files }, plan };
  }

  /** Starts a worker with the model. What is done where that fails is in the table of errors. */
  private start(model: string, source: Source, plan: Plan): Promise<Holding> {
    let current = plan;
    const take = (next: Plan | null) => {
      if (!next || source.kind !== "gguf" || this.ended) return false;
      current = next;
      return true;
    };
    return recover(
      () => this.launch(model, source, current),
      { other_backend: () => take(onProcessor(current)), smaller_context: () => take(halved(current)) },
      { pauses: false },
    );
  }

  private async launch(model: string, source: Source, plan: Plan): Promise<Holding> {
    const handle = new WorkerHandle(this.parts.spawn ?? spawnWorker, this.parts.patience ?? PATIENCE);
    // Held before it is loaded, so that it can be ended meanwhile.
    const holding: Holding = { model, source, plan, threads: plan.threads, handle };
    this.holding = holding;
    try {
      const loaded = await handle.load(source, plan, {
        progress: (progress) => this.tell({ kind: "loading", model, progress }),
        alive: () => this.pulse(),
      });
      holding.threads = loaded.threads;
      this.tell({ kind: "ready", model });
      return holding;
    } catch (error) {
      const reason = localError(error, "device_load_failed");
      handle.end(reason);
      if (this.holding === holding) this.holding = null;
      throw reason;
    }
  }

  private async answer(model: string, work: Work, ear: Ear, signal: AbortSignal): Promise<LocalAnswer> {
    let holding = await this.hold(model);
    const draft: Draft = { text: "", tokens: 0, begun: performance.now() };
    const again = async (plan: Plan | null) => {
      const compiled = holding.source.kind === "mlc" && draft.text !== "";
      if (!plan || compiled || this.holding !== holding || this.ended) return false;
      holding = await this.restart(holding, plan, work, draft);
      return true;
    };
    const processor = () => (holding.source.kind === "gguf" ? onProcessor(holding.plan) : null);
    try {
      return await recover(
        async () => {
          this.tell({ kind: "busy", model });
          const left = remaining(work, draft.text, draft.tokens);
          const answer = await this.ask(holding, left, draft, ear, signal).catch((error) => {
            throw localError(error, "device_generation_failed");
          });
          this.tell({ kind: "ready", model });
          return whole(answer, draft, work);
        },
        {
          restart_worker: () => again(holding.plan),
          other_backend: () => again(processor()),
          smaller_context: () => again(halved(holding.plan)),
        },
        { pauses: false, signal },
      );
    } catch (error) {
      const reason = localError(error, "device_generation_failed");
      this.settle(model, holding, reason);
      throw reason;
    }
  }

  private ask(holding: Holding, work: Work, draft: Draft, ear: Ear, signal: AbortSignal): Promise<LocalAnswer> {
    if (holding.source.kind === "mlc" && continues(work)) {
      throw failure("device_generation_failed", "A compiled model cannot go on with an answer that was begun.", true);
    }
    const joint = new Joint(work);
    const text = (piece: string, tokens: number) => {
      draft.first ??= performance.now();
      draft.tokens += tokens;
      const fresh = joint.take(piece);
      if (!fresh) return;
      draft.text += fresh;
      ear.text(fresh, tokens);
    };
    return holding.handle.generate(joint.work, { text, alive: () => this.pulse() }, signal);
  }

  /** Starts the worker of a cut answer anew, by another plan perhaps. */
  private async restart(lost: Holding, plan: Plan, work: Work, draft: Draft): Promise<Holding> {
    const { model, source } = lost;
    lost.handle.end();
    this.holding = null;
    this.tell({ kind: "loading", model, progress: 0 });
    try {
      // First whether it can be gone on with at all.
      remaining(work, draft.text, draft.tokens);
      return await this.start(model, source, plan);
    } catch (error) {
      const why = localError(error, "device_load_failed");
      this.tell({ kind: "failed", model, reason: why.message });
      throw why;
    }
  }

  private settle(model: string, holding: Holding, reason: LocalError): void {
    if (this.holding !== holding) return;
    if (!holding.handle.dead) {
      this.tell({ kind: "ready", model });
      return;
    }
    this.holding = null;
    // A schema that broke it says nothing about the next request.
    if (reason.code === "device_schema_unsupported") this.tell({ kind: "idle" });
    else this.tell({ kind: "failed", model, reason: reason.message });
  }

  private pulse(): void {
    for (const ear of this.ears) ear.alive?.();
  }
}

function nothing(): LocalAnswer {
  const stats = {
    promptTokens: 0,
    tokens: 0,
    firstTokenMs: 0,
    tokensPerSecond: 0,
    backend: "wasm",
    threads: 0,
  } as const;
  return { text: "", stop: "aborted", stats };
}

/** The answer with the text that was told, also where several attempts made it. Raises `device_answer_invalid`. */
function whole(answer: LocalAnswer, { text, tokens, begun, first }: Draft, work: Work): LocalAnswer {
  if (work.schema && answer.stop === "stop") {
    try {
      JSON.parse(text);
    } catch {
      throw failure("device_answer_invalid", "The answer is not the JSON that was asked for.", true);
    }
  }
  const firstTokenMs = (first ?? performance.now()) - begun;
  return {
    text,
    stop: answer.stop,
    stats: { ...answer.stats, firstTokenMs, tokens: Math.max(answer.stats.tokens, tokens) },
  };
}
