/** Ten seconds that show what this device really does with the built-in model: load, answer, JSON by a schema, stop. */
import { failure } from "./errors";
import type { ModelFiles } from "./files";
import type { BrowserEngine, LocalAnswer } from "./types";

export interface SelfTestReport {
  /** ISO 8601. */
  at: string;
  model: string;
  backend: LocalAnswer["stats"]["backend"];
  threads: number;
  /** Milliseconds; null when the model was in use and so was not loaded anew. */
  loadMs: number | null;
  firstTokenMs: number;
  tokensPerSecond: number;
  tokens: number;
  /** Whether the answer by a schema was one. */
  schema: boolean;
  /** Milliseconds from the stop to the end of the answer. */
  stopMs: number;
  /** Milliseconds of the longest piece of work in the page meanwhile; null where the browser does not tell. */
  longestTaskMs: number | null;
  isolated: boolean;
}

export type Stage = "fetching" | "loading" | "answering" | "schema" | "stopping";

const ASK = "What can you do?";
const SCHEMA = {
  type: "object",
  properties: { animal: { enum: ["horse", "cow"] }, legs: { type: "integer", minimum: 0, maximum: 9 } },
  required: ["animal", "legs"],
  additionalProperties: false,
};
/** Milliseconds and tokens after which the pace is known. */
const ENOUGH = 4_000;
const TOKENS = 64;
/** An answer that is long enough to be stopped. */
const LONG = { type: "array", items: { type: "integer", minimum: 0, maximum: 9 }, minItems: 200, maxItems: 200 };

export interface Observer {
  stage(stage: Stage): void;
  /** Text of the answers, as it comes. */
  text?(text: string): void;
}

async function builtIn(files: ModelFiles, observer: Observer): Promise<string> {
  const model = (await files.list()).find((one) => one.builtIn);
  if (!model) throw failure("device_model_unknown", "There is no built-in model to test with.");
  if (model.usable === null) {
    observer.stage("fetching");
    await files.download(model.id);
  }
  return model.id;
}

/** The longest task of the page while it watches; tasks under 50 ms are not told. */
function watchTasks(): { longest(): number | null } {
  let longest = 0;
  try {
    const observer = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
    });
    observer.observe({ type: "longtask" });
    return {
      longest: () => {
        for (const { duration } of observer.takeRecords()) longest = Math.max(longest, duration);
        observer.disconnect();
        return PerformanceObserver.supportedEntryTypes.includes("longtask") ? longest : null;
      },
    };
  } catch {
    return { longest: () => null };
  }
}

async function load(engine: BrowserEngine, model: string): Promise<number | null> {
  const { kind, model: held } = engine.state();
  if (kind === "busy" || kind === "loading") {
    await engine.load(model);
    return null;
  }
  if (held) await engine.unload();
  const begun = performance.now();
  await engine.load(model);
  return performance.now() - begun;
}

async function pace(engine: BrowserEngine, model: string, observer: Observer, signal: AbortSignal) {
  const answers: LocalAnswer[] = [];
  const begun = performance.now();
  let tokens = 0;
  while (tokens < TOKENS && performance.now() - begun < ENOUGH && !signal.aborted) {
    const messages = [{ role: "user" as const, content: ASK }];
    const sampling = { temperature: 0.8, seed: answers.length, maxTokens: TOKENS };
    const answer = await engine.generate({ model, messages, sampling, signal }, (text) => observer.text?.(text));
    answers.push(answer);
    tokens += answer.stats.tokens;
    if (answer.stats.tokens === 0) break;
  }
  const [first] = answers;
  if (!first || tokens === 0) throw failure("device_generation_failed", "The model answered nothing.");
  const seconds = answers.reduce((sum, { stats }) => sum + stats.tokens / Math.max(stats.tokensPerSecond, 1e-3), 0);
  return { ...first.stats, tokens, tokensPerSecond: tokens / seconds };
}

async function formed(engine: BrowserEngine, model: string, signal: AbortSignal): Promise<boolean> {
  const messages = [{ role: "user" as const, content: "Tell me of an animal." }];
  const { text, stop } = await engine.generate(
    { model, messages, schema: SCHEMA, sampling: { maxTokens: 64, seed: 1 }, signal },
    () => undefined,
  );
  if (stop !== "stop") return false;
  const { animal, legs } = JSON.parse(text) as { animal: unknown; legs: unknown };
  return (animal === "horse" || animal === "cow") && Number.isInteger(legs);
}

async function stopped(engine: BrowserEngine, model: string, signal: AbortSignal): Promise<number> {
  const own = new AbortController();
  const messages = [{ role: "user" as const, content: "Numbers." }];
  let at = performance.now();
  const { stop } = await engine.generate(
    { model, messages, schema: LONG, sampling: { maxTokens: 1_000 }, signal: AbortSignal.any([own.signal, signal]) },
    () => {
      if (!own.signal.aborted) at = performance.now();
      own.abort();
    },
  );
  if (stop !== "aborted") throw failure("device_generation_failed", "The model did not stop when it was asked to.");
  return performance.now() - at;
}

/** Runs the test. Raises LocalError; when `signal` fires, the DOMException of it. */
export async function selfTest(
  engine: BrowserEngine,
  files: ModelFiles,
  observer: Observer,
  signal: AbortSignal,
): Promise<SelfTestReport> {
  const model = await builtIn(files, observer);
  signal.throwIfAborted();
  const tasks = watchTasks();
  observer.stage("loading");
  const loadMs = await load(engine, model);
  signal.throwIfAborted();
  observer.stage("answering");
  const stats = await pace(engine, model, observer, signal);
  signal.throwIfAborted();
  observer.stage("schema");
  const schema = await formed(engine, model, signal);
  signal.throwIfAborted();
  observer.stage("stopping");
  const stopMs = await stopped(engine, model, signal);
  signal.throwIfAborted();
  return {
    at: new Date().toISOString(),
    model,
    backend: stats.backend,
    threads: stats.threads,
    loadMs,
    firstTokenMs: stats.firstTokenMs,
    tokensPerSecond: stats.tokensPerSecond,
    tokens: stats.tokens,
    schema,
    stopMs,
    longestTaskMs: tasks.longest(),
    isolated: globalThis.crossOriginIsolated === true,
  };
}

/** The report as lines to read or to send. */
export function asLines(report: SelfTestReport): [label: string, value: string][] {
  const ms = (value: number) => `${Math.round(value)} ms`;
  const { loadMs, longestTaskMs } = report;
  return [
    ["Model", report.model],
    ["Runs on", report.backend === "webgpu" ? "the graphics card (WebGPU)" : "the processor (WebAssembly)"],
    ["Threads", String(report.threads)],
    ["Loaded in", loadMs === null ? "was in use already" : ms(loadMs)],
    ["First token after", ms(report.firstTokenMs)],
    ["Tokens a second", report.tokensPerSecond.toFixed(1)],
    ["JSON by a schema", report.schema ? "valid" : "not valid"],
    ["Stopped within", ms(report.stopMs)],
    [
      "Longest task of the page",
      longestTaskMs === null ? "not told by this browser" : longestTaskMs > 0 ? ms(longestTaskMs) : "under 50 ms",
    ],
  ];
}
