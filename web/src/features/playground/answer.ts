import type { Frame } from "../../engine/frames";
import type { Call, DialectId } from "./draft";

type Json = Record<string, unknown>;

/** What an answer has said so far. */
export interface Answer {
  text: string;
  reasoning: string;
  refusal: string;
  calls: readonly Call[];
  promptTokens: number | null;
  completionTokens: number | null;
  cachedTokens: number | null;
  /** Why it ended, in the dialect's word. */
  reason: string | null;
  error: string | null;
  /** Whether the dialect's own end of a stream came. */
  ended: boolean;
}

const object = (value: unknown): Json => (typeof value === "object" && value !== null ? (value as Json) : {});
const list = (value: unknown): Json[] => (Array.isArray(value) ? value.map(object) : []);
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const figure = (value: unknown): number | null => (typeof value === "number" ? value : null);

/** The words of an error, whatever form it has. */
function errorOf(value: unknown): string | null {
  if (typeof value === "string") return value;
  const found = object(value);
  const inner = object(found.error);
  return text(found.message) || text(inner.message) || text(found.error) || null;
}

/** Reads an answer of one dialect, frame by frame or whole. */
export class Reader {
  private said = { text: "", reasoning: "", refusal: "" };
  private calls = new Map<string, Call>();
  private tokens: Pick<Answer, "promptTokens" | "completionTokens" | "cachedTokens"> = {
    promptTokens: null,
    completionTokens: null,
    cachedTokens: null,
  };
  private reason: string | null = null;
  private error: string | null = null;
  private ended = false;

  constructor(private readonly dialect: DialectId) {}

  /** The answer so far. */
  get answer(): Answer {
    const { reason, error, ended } = this;
    return { ...this.said, calls: [...this.calls.values()], ...this.tokens, reason, error, ended };
  }

  /** Takes in one frame; says whether it carried content of the answer. */
  take(frame: Frame): boolean {
    if (frame.kind === "comment") return false;
    if (frame.data === "[DONE]") {
      this.ended = true;
      return false;
    }
    let data: Json;
    try {
      data = object(JSON.parse(frame.data));
    } catch {
      return false;
    }
    const before = this.said.text.length + this.said.reasoning.length + this.said.refusal.length + this.size();
    if (this.dialect === "openai_chat") this.chunk(data);
    else if (this.dialect === "openai_responses") this.responseEvent(data);
    else if (this.dialect === "anthropic") this.anthropicEvent(data);
    else this.ollama(data);
    return this.said.text.length + this.said.reasoning.length + this.said.refusal.length + this.size() > before;
  }

  /** Takes in a whole answer; what is not JSON counts as an error. */
  whole(body: string): void {
    let data: Json;
    try {
      data = object(JSON.parse(body));
    } catch {
      this.error = "The answer is not JSON.";
      return;
    }
    this.ended = true;
    if (data.error) this.error = errorOf(data.error) ?? errorOf(data);
    else if (this.dialect === "openai_chat") this.completion(data);
    else if (this.dialect === "openai_responses") this.response(data);
    else if (this.dialect === "anthropic") this.anthropic(data);
    else this.ollama(data);
  }

  private size(): number {
    let size = this.calls.size;
    for (const call of this.calls.values()) size += call.arguments.length;
    return size;
  }

  private call(key: string, part: Partial<Call>): void {
    const known = this.calls.get(key) ?? { id: "", name: "", arguments: "" };
    this.calls.set(key, {
      id: part.id || known.id,
      name: part.name || known.name,
      arguments: known.arguments + (part.arguments ?? ""),
    });
  }

  private usage(prompt: unknown, completion: unknown, cached: unknown): void {
    const { promptTokens, completionTokens, cachedTokens } = this.tokens;
    this.tokens = {
      promptTokens: figure(prompt) ?? promptTokens,
      completionTokens: figure(completion) ?? completionTokens,
      cachedTokens: figure(cached) ?? cachedTokens,
    };
  }

  private openaiUsage(value: unknown): void {
    const usage = object(value);
    const details = object(usage.prompt_tokens_details ?? usage.input_tokens_details);
    const prompt = usage.prompt_tokens ?? usage.input_tokens;
    this.usage(prompt, usage.completion_tokens ?? usage.output_tokens, details.cached_tokens);
  }

  private message(message: Json): void {
    this.said.text += text(message.content);
    this.said.reasoning += text(message.reasoning_content) || text(message.reasoning);
    this.said.refusal += text(message.refusal);
    list(message.tool_calls).forEach((call, at) => {
      const made = object(call.function);
      const key = String(call.index ?? at);
      this.call(key, { id: text(call.id), name: text(made.name), arguments: text(made.arguments) });
    });
  }

  private chunk(data: Json): void {
    if (data.error) this.error = errorOf(data.error);
    // Of several answers the first is shown; all of them are among the events.
    const choice = list(data.choices).find((one) => (one.index ?? 0) === 0);
    if (choice) {
      this.message(object(choice.delta));
      this.reason = text(choice.finish_reason) || this.reason;
    }
    if (data.usage) this.openaiUsage(data.usage);
  }

  private completion(data: Json): void {
    const choice = list(data.choices)[0] ?? {};
    this.message(object(choice.message));
    this.reason = text(choice.finish_reason) || null;
    this.openaiUsage(data.usage);
  }

  private responseEvent(data: Json): void {
    const type = text(data.type);
    const key = text(data.item_id) || String(data.output_index ?? 0);
    const item = object(data.item);
    if (type === "response.output_text.delta") this.said.text += text(data.delta);
    else if (type === "response.refusal.delta") this.said.refusal += text(data.delta);
    else if (/^response\.reasoning(_summary)?_text\.delta$/.test(type)) this.said.reasoning += text(data.delta);
    else if (type === "response.function_call_arguments.delta") this.call(key, { arguments: text(data.delta) });
    else if (type === "response.output_item.added" && item.type === "function_call")
      this.call(text(item.id) || key, { id: text(item.call_id), name: text(item.name) });
    else if (type === "error" || type === "response.failed") {
      this.error = errorOf(object(data.response).error ?? data) ?? "The answer failed.";
      this.ended = true;
    } else if (type === "response.completed" || type === "response.incomplete") {
      const response = object(data.response);
      this.reason = text(object(response.incomplete_details).reason) || text(response.status) || type.slice(9);
      this.openaiUsage(response.usage);
      this.ended = true;
    }
  }

  private response(data: Json): void {
    list(data.output).forEach((item, at) => {
      if (item.type === "function_call")
        this.call(String(at), { id: text(item.call_id), name: text(item.name), arguments: text(item.arguments) });
      const parts = [...list(item.content), ...list(item.summary)];
      for (const part of parts) {
        if (part.type === "output_text") this.said.text += text(part.text);
        else if (part.type === "refusal") this.said.refusal += text(part.refusal);
        else this.said.reasoning += text(part.text);
      }
    });
    this.reason = text(object(data.incomplete_details).reason) || text(data.status) || null;
    this.openaiUsage(data.usage);
  }

  private anthropicUsage(value: unknown): void {
    const usage = object(value);
    const read = figure(usage.cache_read_input_tokens);
    const input = figure(usage.input_tokens);
    // This format counts what came from a cache apart; here the prompt is the whole of it.
    const whole = input === null ? null : input + (read ?? 0) + (figure(usage.cache_creation_input_tokens) ?? 0);
    this.usage(whole, usage.output_tokens, read);
  }

  private anthropicEvent(data: Json): void {
    const type = text(data.type);
    const key = String(data.index ?? 0);
    if (type === "message_start") this.anthropicUsage(object(data.message).usage);
    else if (type === "content_block_start") this.block(key, object(data.content_block), true);
    else if (type === "content_block_delta") {
      const delta = object(data.delta);
      this.said.text += text(delta.text);
      this.said.reasoning += text(delta.thinking);
      if (delta.type === "input_json_delta") this.call(key, { arguments: text(delta.partial_json) });
    } else if (type === "message_delta") {
      this.reason = text(object(data.delta).stop_reason) || this.reason;
      this.anthropicUsage(data.usage);
    } else if (type === "message_stop") this.ended = true;
    else if (type === "error") {
      this.error = errorOf(data.error) ?? "The answer failed.";
      this.ended = true;
    }
  }

  private block(key: string, block: Json, begins: boolean): void {
    this.said.text += text(block.text);
    this.said.reasoning += text(block.thinking);
    if (block.type !== "tool_use") return;
    const json = begins ? "" : JSON.stringify(block.input ?? {});
    this.call(key, { id: text(block.id), name: text(block.name), arguments: json });
  }

  private anthropic(data: Json): void {
    list(data.content).forEach((block, at) => {
      this.block(String(at), block, false);
    });
    this.reason = text(data.stop_reason) || null;
    this.anthropicUsage(data.usage);
  }

  private ollama(data: Json): void {
    if (data.error) this.error = errorOf(data.error);
    const message = object(data.message);
    this.said.text += text(message.content);
    this.said.reasoning += text(message.thinking);
    for (const call of list(message.tool_calls)) {
      const made = object(call.function);
      const key = String(this.calls.size);
      this.call(key, { id: text(call.id) || key, name: text(made.name), arguments: JSON.stringify(made.arguments) });
    }
    if (data.done !== true) return;
    this.ended = true;
    this.reason = text(data.done_reason) || null;
    this.usage(data.prompt_eval_count, data.eval_count, null);
  }
}
