import {
  type ChatCompletionChunk,
  type ChatCompletionParams,
  type ResultTimings,
  Wllama,
  WllamaAbortError,
} from "@wllama/wllama/esm/index.js";
import wasmUrl from "@wllama/wllama/esm/wasm/wllama.wasm?url";
import compatWorkerUrl from "@wllama/wllama-compat/wasm/wllama.js?url";
import compatWasmUrl from "@wllama/wllama-compat/wasm/wllama.wasm?url";
import { failure, type LocalError } from "../errors";
import type { Plan } from "../plan";
import type { Loaded, Source, Work } from "../protocol";
import type { Backend, LocalAnswer, LocalSampling } from "../types";
import type { Adapter, Listener } from "./adapter";

/** Lines of the engine's log that are kept to explain a failure. */
const LINES = 8;

/** llama.cpp's names for what we call otherwise; the library's types know only some of them. */
function wireSampling(sampling: LocalSampling): Partial<ChatCompletionParams> {
  const { temperature, topP, topK, minP, repeatPenalty, presencePenalty, frequencyPenalty } = sampling;
  const wire = {
    temperature,
    top_p: topP,
    top_k: topK,
    min_p: minP,
    repeat_penalty: repeatPenalty,
    presence_penalty: presencePenalty,
    frequency_penalty: frequencyPenalty,
    seed: sampling.seed,
    max_tokens: sampling.maxTokens,
    stop: sampling.stop,
  };
  return Object.fromEntries(Object.entries(wire).filter(([, value]) => value !== undefined));
}

/** What the request becomes: the template of the model itself, its prompt kept for the next turn, counts with each piece. */
function wireRequest({ messages, sampling, schema }: Work): ChatCompletionParams {
  return {
    messages,
    ...wireSampling(sampling),
    cache_prompt: true,
    timings_per_token: true,
    return_progress: true,
    ...(schema && { response_format: { type: "json_schema", json_schema: { name: "answer", schema, strict: true } } }),
  };
}

/** llama.cpp in WebAssembly, on the graphics card where there is one: `@wllama/wllama`. */
export class WllamaAdapter implements Adapter {
  private engine: Wllama | null = null;
  private loaded: { backend: Backend; threads: number } = { backend: "wasm", threads: 1 };
  private readonly lines: string[] = [];
  private broken: (error: LocalError) => void = () => undefined;

  async load(source: Source, plan: Plan, progress: (fraction: number) => void): Promise<Loaded> {
    if (source.kind !== "gguf") throw failure("device_request_invalid", "This engine reads GGUF files only.");
    const engine = this.make();
    this.engine = engine;
    const files = watched(source.files, progress);
    await this.guarded("device_load_failed", () =>
      engine.loadModel(files, {
        n_ctx: plan.context,
        n_batch: plan.batch,
        n_ubatch: plan.batch,
        n_threads: plan.threads,
        n_gpu_layers: plan.backend === "webgpu" ? 99_999 : 0,
        n_parallel: 1,
        jinja: true,
        reasoning: false,
        warmup: false,
      }),
    );
    const { n_ctx, n_ctx_train } = engine.getLoadedContextInfo();
    this.loaded = { backend: plan.backend, threads: engine.getNumThreads() };
    return { ...this.loaded, context: n_ctx_train > 0 ? Math.min(n_ctx, n_ctx_train) : n_ctx };
  }

  async generate(work: Work, listener: Listener, signal: AbortSignal): Promise<LocalAnswer> {
    const engine = this.engine;
    if (!engine) throw failure("device_worker_lost", "No model is loaded.", true);
    const begun = performance.now();
    const answer = new Answer(begun, listener);
    try {
      await this.guarded("device_generation_failed", () =>
        engine.createChatCompletion({
          ...wireRequest(work),
          abortSignal: signal,
          stream: true,
          onData: (chunk) => answer.take(chunk),
        }),
      );
    } catch (error) {
      if (work.schema && answer.empty && isGarbage(error)) {
        throw failure("device_schema_unsupported", "The engine cannot make a grammar of this schema.");
      }
      if (!(error instanceof WllamaAbortError) && !signal.aborted) throw error;
      answer.stop = "aborted";
    }
    return answer.whole(this.loaded);
  }

  async unload(): Promise<void> {
    const engine = this.engine;
    this.engine = null;
    await engine?.exit();
  }

  private make(): Wllama {
    const note = (...parts: unknown[]) => {
      this.lines.push(parts.map(String).join(" "));
      this.lines.splice(0, this.lines.length - LINES);
    };
    const engine = new Wllama(
      { default: wasmUrl },
      {
        logger: {
          debug: () => undefined,
          log: () => undefined,
          warn: note,
          // Also the handler of errors of the library's own worker, whose promises then stay open for ever.
          error: (...parts: unknown[]) => {
            note(...parts);
            if (parts[0] instanceof Event) this.broken(this.explain("device_worker_lost", "its worker failed"));
          },
        },
      },
    );
    engine.setCompat({ worker: compatWorkerUrl, wasm: compatWasmUrl });
    return engine;
  }

  /** Runs a call of the library; its errors become ours, and a worker of its own that dies ends the call. */
  private guarded<T>(code: "device_load_failed" | "device_generation_failed", call: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.broken = reject;
      call().then(resolve, (error: unknown) => {
        if (error instanceof WllamaAbortError) reject(error);
        else reject(this.translate(error, code));
      });
    });
  }

  private translate(error: unknown, code: "device_load_failed" | "device_generation_failed"): LocalError {
    const text = error instanceof Error ? error.message : String(error);
    const all = `${text} ${this.lines.join(" ")}`;
    if (/device (is |was )?lost/i.test(all)) return this.explain("device_gpu_lost", text);
    if (/exceeds? the available context|exceed_context_size|context size/i.test(text)) {
      return failure("device_context_exceeded", "The conversation is longer than the context of the model here.");
    }
    if (/json.?schema|grammar|failed to parse.*schema/i.test(text)) {
      return failure("device_schema_unsupported", `The engine cannot hold an answer to this schema: ${text}`);
    }
    if (/memory access out of bounds|out of memory|cannot allocate|failed to allocate|bad_alloc|OOM/i.test(all)) {
      return failure("device_memory", `There was not enough memory for the model: ${text}`);
    }
    const crashed = (error as Error | null)?.name === "RuntimeError" || /has crashed|terminat/i.test(text);
    if (crashed && code === "device_generation_failed") return this.explain("device_worker_lost", text);
    return this.explain(code, text);
  }

  private explain(
    code: "device_load_failed" | "device_generation_failed" | "device_worker_lost" | "device_gpu_lost",
    text: string,
  ) {
    const last = this.lines.filter((line) => !line.startsWith("Stack trace")).at(-1);
    const said = last ? ` The engine said: ${last.split("\n")[0]}` : "";
    return failure(code, `The engine stopped: ${text}.${said}`, code !== "device_load_failed");
  }
}

/** What the library says where llama.cpp threw an exception: it takes what lies in the memory for an answer. */
function isGarbage(error: unknown): boolean {
  return error instanceof Error && error.message.includes("Invalid typed array length");
}

/** The files, telling how much of them was read. The library reads by slices where it can. */
function watched(files: Blob[], progress: (fraction: number) => void): Blob[] {
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const read = files.map(() => 0);
  return files.map((file, index) => {
    const slice = file.slice.bind(file);
    const value = (start = 0, end = file.size, type?: string) => {
      read[index] = Math.max(read[index] ?? 0, Math.min(end, file.size));
      progress(read.reduce((sum, part) => sum + part, 0) / total);
      return slice(start, end, type);
    };
    return Object.defineProperty(file, "slice", { value });
  });
}

/** What the chunks of one answer add up to. */
class Answer {
  stop: LocalAnswer["stop"] = "stop";
  private text = "";
  private tokens = 0;
  private first: number | null = null;
  private timings: ResultTimings | undefined;

  constructor(
    private readonly begun: number,
    private readonly listener: Listener,
  ) {}

  get empty(): boolean {
    return this.text === "";
  }

  take(chunk: ChatCompletionChunk): void {
    const { prompt_progress: progress, timings } = chunk;
    if (progress && progress.total > 0) this.listener.prompt(progress.processed / progress.total);
    if (timings) this.timings = timings;
    const choice = chunk.choices?.[0];
    if (choice?.finish_reason === "length") this.stop = "length";
    const piece = choice?.delta?.content;
    if (!piece) return;
    this.first ??= performance.now();
    const before = this.tokens;
    this.tokens = Math.max(before + 1, timings?.predicted_n ?? 0);
    this.text += piece;
    this.listener.text(piece, this.tokens - before);
  }

  whole(loaded: { backend: Backend; threads: number }): LocalAnswer {
    const { prompt_n = 0, cache_n = 0, predicted_n, predicted_per_second } = this.timings ?? {};
    const tokens = Math.max(this.tokens, predicted_n ?? 0);
    const now = performance.now();
    const seconds = (now - (this.first ?? now)) / 1_000;
    return {
      text: this.text,
      stop: this.stop,
      stats: {
        ...loaded,
        promptTokens: prompt_n + cache_n,
        tokens,
        firstTokenMs: (this.first ?? now) - this.begun,
        tokensPerSecond: predicted_per_second ?? (seconds > 0 ? tokens / seconds : 0),
      },
    };
  }
}
