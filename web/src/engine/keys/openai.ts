/** OpenAI's chat completions, and the many services that speak them (https://platform.openai.com/docs/api-reference/chat). */
import type { Frame } from "../frames";
import type { LocalSampling } from "../local/types";
import {
  type Chat,
  count,
  type Fields,
  faultOf,
  fields,
  idsOf,
  type Outgoing,
  type Piece,
  parsed,
  text,
  type Wire,
} from "./wire";

const STOPS: Record<string, Piece["stop"]> = { length: "length", content_filter: "refused" };

export class OpenAI implements Wire {
  /** Whether it is OpenAI itself, which refuses what others have added. */
  constructor(private readonly itself: boolean) {}

  chat({ model, messages, sampling }: Chat, key: string): Outgoing {
    const body: Fields = {
      model,
      messages: messages.map(({ role, content }) => ({ role, content })),
      stream: true,
      stream_options: { include_usage: true },
      ...this.sampling(sampling),
    };
    return { method: "POST", path: "/chat/completions", headers: headers(key), body };
  }

  models(key: string): Outgoing {
    return { method: "GET", path: "/models", headers: headers(key) };
  }

  read({ kind, data }: Frame): Piece | null {
    if (kind === "comment") return {};
    if (data === "[DONE]") return { done: true };
    const chunk = parsed(data);
    if (!chunk) return null;
    const fault = faultOf(chunk);
    if (fault) return { fault };
    const usage = fields(chunk.usage);
    const choice = Array.isArray(chunk.choices) ? fields(chunk.choices[0]) : null;
    const delta = fields(choice?.delta) ?? {};
    const said = text(delta.content) + text(delta.refusal);
    const finish = text(choice?.finish_reason);
    return {
      ...(said && { text: said }),
      ...((text(delta.reasoning_content) || text(delta.reasoning)) && { thought: true }),
      ...(finish && { stop: STOPS[finish] ?? "stop" }),
      ...(usage && { promptTokens: count(usage.prompt_tokens), tokens: count(usage.completion_tokens) }),
    };
  }

  list(body: unknown): string[] | null {
    return idsOf(body);
  }

  private sampling(from: LocalSampling): Fields {
    const { temperature, topP, topK, minP, repeatPenalty, presencePenalty, frequencyPenalty, seed, maxTokens, stop } =
      from;
    const common: Fields = {
      temperature,
      top_p: topP,
      presence_penalty: presencePenalty,
      frequency_penalty: frequencyPenalty,
      seed,
      stop: stop?.length ? stop : undefined,
      [this.itself ? "max_completion_tokens" : "max_tokens"]: maxTokens,
    };
    const more: Fields = this.itself ? {} : { top_k: topK, min_p: minP, repeat_penalty: repeatPenalty };
    return Object.fromEntries(Object.entries({ ...common, ...more }).filter(([, value]) => value !== undefined));
  }
}

const headers = (key: string): Record<string, string> => (key ? { authorization: `Bearer ${key}` } : {});
