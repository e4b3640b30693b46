import type { ChatCompletionMessageParam, MLCEngine } from "@mlc-ai/web-llm";
import { failure, type LocalError } from "../errors";
import type { Plan } from "../plan";
import type { Loaded, Source, Work } from "../protocol";
import type { LocalAnswer } from "../types";
import type { Adapter, Listener } from "./adapter";

/** Models that were compiled for WebGPU: `@mlc-ai/web-llm`. Its weights lie in the browser's private file system. */
export class WebLlmAdapter implements Adapter {
  private engine: MLCEngine | null = null;

  async load(source: Source, plan: Plan, progress: (fraction: number) => void): Promise<Loaded> {
    if (source.kind !== "mlc") throw failure("device_request_invalid", "This engine runs compiled models only.");
    // Before the library, which is large, and before any download.
    const gpu = (navigator as { gpu?: { requestAdapter(): Promise<unknown> } }).gpu;
    if (!(await gpu?.requestAdapter())) {
      throw failure("device_gpu_missing", "This model is compiled for WebGPU, and this browser has no adapter for it.");
    }
    const { id, url, library } = source.model;
    const library_ = await import("@mlc-ai/web-llm");
    const context = source.model.context ? Math.min(source.model.context, plan.context) : plan.context;
    const engine = new library_.MLCEngine({
      appConfig: {
        model_list: [
          { model: here(url), model_id: id, model_lib: here(library), overrides: { context_window_size: context } },
        ],
        cacheBackend: "opfs",
      },
      initProgressCallback: (report) => progress(report.progress),
      logLevel: "WARN",
    });
    this.engine = engine;
    try {
      await engine.reload(id);
    } catch (error) {
      throw translate(error, "device_load_failed");
    }
    return { backend: "webgpu", threads: 1, context };
  }

  async generate(work: Work, listener: Listener, signal: AbortSignal): Promise<LocalAnswer> {
    const engine = this.engine;
    if (!engine) throw failure("device_worker_lost", "No model is loaded.", true);
    const stop = () => void engine.interruptGenerate();
    signal.addEventListener("abort", stop, { once: true });
    try {
      return await this.stream(engine, work, listener, signal);
    } catch (error) {
      throw translate(error, "device_generation_failed");
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  async unload(): Promise<void> {
    const engine = this.engine;
    this.engine = null;
    await engine?.unload();
  }

  private async stream(engine: MLCEngine, work: Work, listener: Listener, signal: AbortSignal): Promise<LocalAnswer> {
    const { temperature, topP, repeatPenalty, seed, maxTokens } = work.sampling;
    const begun = performance.now();
    let first: number | undefined;
    let text = "";
    let reason = "";
    let counts = { prompt: 0, tokens: 0, speed: 0 };
    const chunks = await engine.chat.completions.create({
      messages: work.messages as ChatCompletionMessageParam[],
      stream: true,
      stream_options: { include_usage: true },
      temperature,
      top_p: topP,
      repetition_penalty: repeatPenalty,
      presence_penalty: work.sampling.presencePenalty,
      frequency_penalty: work.sampling.frequencyPenalty,
      seed,
      stop: work.sampling.stop,
      max_tokens: maxTokens,
      ...(work.schema && { response_format: { type: "json_object", schema: JSON.stringify(work.schema) } }),
    });
    for await (const { choices, usage } of chunks) {
      const piece = choices[0]?.delta.content;
      reason = choices[0]?.finish_reason ?? reason;
      if (usage) {
        const { prompt_tokens: prompt, completion_tokens: tokens, extra } = usage;
        counts = { prompt, tokens, speed: extra.decode_tokens_per_s };
      }
      if (!piece) continue;
      first ??= performance.now();
      text += piece;
      listener.text(piece, 1);
    }
    const stop = signal.aborted ? "aborted" : reason === "length" ? "length" : "stop";
    return {
      text,
      stop,
      stats: {
        promptTokens: counts.prompt,
        tokens: counts.tokens,
        firstTokenMs: (first ?? performance.now()) - begun,
        tokensPerSecond: counts.speed,
        backend: "webgpu",
        threads: 1,
      },
    };
  }
}

/** An absolute address of our own origin; the library would otherwise take a hub's. */
function here(address: string): string {
  const url = new URL(address, location.origin);
  if (url.origin !== location.origin)
    throw failure("device_request_invalid", "A compiled model must lie on our own server.");
  return url.href;
}

function translate(error: unknown, code: "device_load_failed" | "device_generation_failed"): LocalError {
  const { name = "", message = String(error) } = (error ?? {}) as { name?: string; message?: string };
  if (name === "DeviceLostError" || /device.*lost/i.test(message)) {
    return failure("device_gpu_lost", "The graphics card was lost, mostly for want of memory.", true);
  }
  if (/WebGPUNot|ShaderF16|FeatureSupport/.test(name)) return failure("device_gpu_missing", message);
  if (/ContextWindowSize/.test(name)) return failure("device_context_exceeded", message);
  return failure(code, message);
}
