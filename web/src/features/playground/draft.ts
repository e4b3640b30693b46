import { randomKey } from "../../engine/ids";

export type DialectId = "openai_chat" | "openai_responses" | "anthropic" | "ollama_chat";

/** The wire formats that can be tried, with the path and the headers that their clients use. */
export const DIALECTS: readonly {
  id: DialectId;
  label: string;
  path: string;
  headers: Readonly<Record<string, string>>;
}[] = [
  { id: "openai_chat", label: "OpenAI Chat", path: "/v1/chat/completions", headers: {} },
  { id: "openai_responses", label: "OpenAI Responses", path: "/v1/responses", headers: {} },
  { id: "anthropic", label: "Anthropic", path: "/v1/messages", headers: { "anthropic-version": "2023-06-01" } },
  { id: "ollama_chat", label: "Ollama", path: "/ollama/api/chat", headers: {} },
];

/** A call of a tool in the conversation; `arguments` is JSON text. */
export interface Call {
  id: string;
  name: string;
  arguments: string;
}

export interface DraftMessage {
  key: string;
  role: "user" | "assistant" | "tool";
  content: string;
  /** Pictures of a user's message, as data URLs. */
  images: readonly string[];
  /** Of an assistant's message. */
  calls: readonly Call[];
  /** The call that a tool's message answers. */
  callId: string;
  name: string;
}

/** What is written on the page; all fields as they were typed. */
export interface Draft {
  dialect: DialectId;
  model: string;
  system: string;
  messages: readonly DraftMessage[];
  stream: boolean;
  parameters: Readonly<Record<string, string>>;
  tools: string;
  schema: string;
  extra: string;
  /** The body as it was changed by hand, null while it follows the form. */
  body: string | null;
}

/** One parameter of a dialect: the same `key` means the same in all, `field` is what the dialect calls it. */
export interface Parameter {
  key: string;
  field: string;
  label: string;
  kind: "number" | "whole" | "texts" | "choice";
  minimum?: number;
  maximum?: number;
  choices?: readonly string[];
}

const number = (key: string, field: string, label: string, minimum: number, maximum: number): Parameter => ({
  key,
  field,
  label,
  kind: "number",
  minimum,
  maximum,
});
const count = (key: string, field: string, label: string, minimum = 1): Parameter => ({
  key,
  field,
  label,
  kind: "whole",
  minimum,
  maximum: 2_147_483_647,
});
const texts = (field: string): Parameter => ({ key: "stop", field, label: "Stop at", kind: "texts" });
const effort = (field: string): Parameter => ({
  key: "effort",
  field,
  label: "Reasoning effort",
  kind: "choice",
  choices: ["none", "minimal", "low", "medium", "high"],
});

/** What can be set for each dialect, in the order of the page. */
export const PARAMETERS: Readonly<Record<DialectId, readonly Parameter[]>> = {
  openai_chat: [
    count("maxTokens", "max_completion_tokens", "Most tokens"),
    number("temperature", "temperature", "Temperature", 0, 2),
    number("topP", "top_p", "Top P", 0, 1),
    count("seed", "seed", "Seed", 0),
    texts("stop"),
    number("presence", "presence_penalty", "Presence penalty", -2, 2),
    number("frequency", "frequency_penalty", "Frequency penalty", -2, 2),
    effort("reasoning_effort"),
  ],
  openai_responses: [
    count("maxTokens", "max_output_tokens", "Most tokens"),
    number("temperature", "temperature", "Temperature", 0, 2),
    number("topP", "top_p", "Top P", 0, 1),
    effort("reasoning.effort"),
  ],
  anthropic: [
    count("maxTokens", "max_tokens", "Most tokens"),
    number("temperature", "temperature", "Temperature", 0, 1),
    number("topP", "top_p", "Top P", 0, 1),
    count("topK", "top_k", "Top K"),
    texts("stop_sequences"),
    count("budget", "thinking.budget_tokens", "Thinking tokens", 1_024),
  ],
  ollama_chat: [
    count("maxTokens", "options.num_predict", "Most tokens"),
    number("temperature", "options.temperature", "Temperature", 0, 2),
    number("topP", "options.top_p", "Top P", 0, 1),
    count("topK", "options.top_k", "Top K"),
    count("seed", "options.seed", "Seed", 0),
    texts("options.stop"),
    { key: "think", field: "think", label: "Think", kind: "choice", choices: ["true", "false"] },
  ],
};

/** An empty message. */
export function message(role: DraftMessage["role"], part: Partial<DraftMessage> = {}): DraftMessage {
  return { key: randomKey(), role, content: "", images: [], calls: [], callId: "", name: "", ...part };
}

/** What the page begins with. */
export function emptyDraft(): Draft {
  return {
    dialect: "openai_chat",
    model: "",
    system: "",
    messages: [message("user", { content: "Say hello in three languages." })],
    stream: true,
    parameters: {},
    tools: "",
    schema: "",
    extra: "",
    body: null,
  };
}

const PLACE = "corral.playground";
const MOST = 200_000;

/** What was written last in this browser; pictures are not kept. */
export function readDraft(storage: Storage): Draft {
  const empty = emptyDraft();
  try {
    const kept = JSON.parse(storage.getItem(PLACE) ?? "{}") as Partial<Draft>;
    const known = DIALECTS.some((dialect) => dialect.id === kept.dialect);
    if (!known || !Array.isArray(kept.messages)) return empty;
    return { ...empty, ...kept, messages: kept.messages.map((one) => message(one.role, one)) };
  } catch {
    return empty;
  }
}

/** Keeps what is written over a reload, unless it is very long. */
export function keepDraft(storage: Storage, draft: Draft): void {
  const text = JSON.stringify({ ...draft, messages: draft.messages.map((one) => ({ ...one, images: [] })) });
  try {
    if (text.length <= MOST) storage.setItem(PLACE, text);
  } catch {
    // The storage is full or closed: then it is not kept.
  }
}
