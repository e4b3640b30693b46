/** What the rest of the app knows of the model that runs in this browser. */
import type { Sampling } from "../../api/types";

export interface LocalMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

/** Left out: what the engine does by itself. */
export type LocalSampling = Sampling;

export interface LocalRequest {
  model: string;
  /** When the last one is the assistant's, it is gone on with; the answer is then only what is new. */
  messages: LocalMessage[];
  sampling?: LocalSampling;
  /** The answer is JSON of this schema, by a grammar. */
  schema?: object;
  signal?: AbortSignal;
  requestId?: string;
}

export type Backend = "webgpu" | "wasm";

export interface LocalStats {
  /** Tokens of the prompt, those of a cached beginning included. */
  promptTokens: number;
  tokens: number;
  /** Milliseconds from the beginning of the work to the first piece of text. */
  firstTokenMs: number;
  /** While the answer was written, without the reading of the prompt. */
  tokensPerSecond: number;
  /** `provider`: somebody else's machine, asked with a key of this browser. */
  backend: Backend | "provider";
  /** 0 where that is not known. */
  threads: number;
}

export interface LocalAnswer {
  text: string;
  stop: "stop" | "length" | "aborted";
  stats: LocalStats;
}

export interface EngineState {
  kind: "idle" | "loading" | "ready" | "busy" | "failed";
  model?: string;
  /** Of the loading, 0 to 1. */
  progress?: number;
  reason?: string;
  /** Whether this tab holds the model; the others ask the one that does. */
  leader: boolean;
}

/** What answers, as far as a conversation needs it. */
export type Answering = Pick<BrowserEngine, "generate"> & {
  /** How far its model is with being loaded. */
  subscribe(listener: (state: EngineState) => void): () => void;
};

/** One loaded model for all tabs of this browser. All promises are rejected with LocalError only. */
export interface BrowserEngine {
  state(): EngineState;
  subscribe(listener: (state: EngineState) => void): () => void;
  /** Loads a model in the place of what was loaded. */
  load(model: string): Promise<void>;
  /**
   * Answers, after loading the model if need be. `onToken` gets the text piece by piece, the answer has all of it.
   * An aborted answer is no error: it ends with `aborted` and what there was.
   */
  generate(request: LocalRequest, onToken: (text: string) => void): Promise<LocalAnswer>;
  unload(): Promise<void>;
}

/** Where the bytes of a model come from: whole, checked files, the first part first. */
export interface ModelSource {
  open(id: string): Promise<Blob[]>;
}

/** A model compiled for WebGPU by MLC, which `@mlc-ai/web-llm` runs. Both addresses are of our own origin. */
export interface CompiledModel {
  id: string;
  /** The folder with `mlc-chat-config.json` and the weights. */
  url: string;
  /** The compiled library, a `.wasm`. */
  library: string;
  context?: number;
}
