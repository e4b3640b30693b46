/** The wire forms of Corral's control API. */
export interface Agent {
  id: string;
  title: string;
  createdAt: string;
  updatedAt: string;
  messageCount: number;
  state: string;
  model: string | null;
  /** The conversation that it has its beginning from. */
  forkedFrom?: string | null;
  /** How its next answers are sampled; older servers do not say. */
  sampling?: Sampling;
}

/** What is left out is the model's own. */
export interface Sampling {
  temperature?: number;
  topP?: number;
  topK?: number;
  minP?: number;
  repeatPenalty?: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  /** The same gives the same answer again on the same engine. */
  seed?: number;
  maxTokens?: number;
  /** The answer ends before any of these texts. */
  stop?: string[];
}

/** Figures of an answer; times in milliseconds. */
export interface AnswerStats {
  promptTokens?: number;
  tokens?: number;
  firstTokenMs?: number;
  tokensPerSecond?: number;
  /** `provider`: a cloud provider, asked from the browser. */
  backend?: "webgpu" | "wasm" | "provider";
  threads?: number;
}

export interface Message {
  id: string;
  seq: number;
  role: string;
  content: string;
  state: string;
  turnId: string | null;
  createdAt: string;
  /** Where an answer was made; older servers do not say. */
  place?: "server" | "device" | null;
  model?: string | null;
  device?: string | null;
  stats?: AnswerStats | null;
}

export interface EngineError {
  code: string;
  message: string;
  hint?: string;
  lastLines?: string[];
}

export interface Model {
  name: string;
  state: string;
  title?: string | null;
  path?: string | null;
  sizeBytes?: number | null;
  architecture?: string | null;
  parameters?: number | null;
  quantization?: string | null;
  contextLength?: number | null;
  embeddingLength?: number | null;
  layers?: number | null;
  heads?: number | null;
  tokenizer?: string | null;
  licence?: string | null;
  parts?: number | null;
  mmproj?: string | null;
  /** Seconds since 1970. */
  modified?: number | null;
  progress?: number | null;
  /** Whether new chats use it. */
  default?: boolean;
  included?: boolean;
  problem?: string | null;
  /** What the prediction said last: fits, tight or no. */
  fit?: string | null;
  /** The template that was put on it last. */
  template?: string | null;
  /** How many options are set for it alone. */
  changed?: number;
  removed?: { at: string; until: string; file: boolean } | null;
  error?: EngineError | null;
  engine?: {
    progress?: number | null;
    pid?: number | null;
    startedAt?: string | null;
    slots?: number | null;
    busy?: number | null;
    contextLength?: number | null;
    restarts?: number | null;
    /** Bytes that its processes hold. */
    memory?: number | null;
    /** Requests that wait until it is ready. */
    waiting?: number;
    /** Whether others have to leave the memory first. */
    waitsForMemory?: boolean;
    pinned?: boolean;
    /** Whether it has given its weights back and wakes with the next request. */
    sleeping?: boolean;
    lastUsed?: string | null;
    /** The engines that serve this model together, where there are several. */
    replicas?: readonly { name: string; state: string; busy?: number; slots?: number; memory?: number | null }[];
    error?: EngineError | null;
  } | null;
}

export interface TurnEvent {
  offset: number;
  turnId: string;
  type: string;
  text?: string;
  state?: string;
  completionTokens?: number;
  leftOut?: number;
  code?: string;
  message?: string;
}

/** What the server answers when it refuses. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}
