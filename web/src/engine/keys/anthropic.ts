/** Anthropic's messages (https://docs.anthropic.com/en/api/messages, .../messages-streaming). */
import type { Frame } from "../frames";
import type { LocalMessage, LocalSampling } from "../local/types";
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

const VERSION = "2023-06-01";
/** Tokens of an answer where nothing else is asked for: the protocol wants a number. */
const MAX_TOKENS = 4_096;
const STOPS: Record<string, Piece["stop"]> = {
  max_tokens: "length",
  model_context_window_exceeded: "length",
  refusal: "refused",
};

export class Anthropic implements Wire {
  chat({ model, messages, sampling }: Chat, key: string): Outgoing {
    const system = messages
      .filter(({ role }) => role === "system")
      .map(({ content }) => content)
      .join("\n\n");
    const body: Fields = {
      model,
      max_tokens: sampling.maxTokens ?? MAX_TOKENS,
      stream: true,
      ...(system && { system }),
      messages: turns(messages),
      ...sampled(sampling),
    };
    return { method: "POST", path: "/v1/messages", headers: headers(key), body };
  }

  models(key: string): Outgoing {
    return { method: "GET", path: "/v1/models?limit=1000", headers: headers(key) };
  }

  read({ kind, data }: Frame): Piece | null {
    if (kind === "comment") return {};
    const event = parsed(data);
    if (!event) return null;
    const delta = fields(event.delta);
    switch (event.type) {
      case "message_start": {
        const usage = fields(fields(event.message)?.usage) ?? {};
        const parts = [usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens];
        return { promptTokens: parts.reduce<number>((sum, part) => sum + (count(part) ?? 0), 0) };
      }
      case "content_block_delta":
        return text(delta?.text) ? { text: text(delta?.text) } : { thought: true };
      case "message_delta": {
        const reason = text(delta?.stop_reason);
        return { tokens: count(fields(event.usage)?.output_tokens), ...(reason && { stop: STOPS[reason] ?? "stop" }) };
      }
      case "message_stop":
        return { done: true };
      case "error":
        return { fault: faultOf(event) ?? { kind: "", message: "" } };
      default:
        // Kinds of events may be added, says the protocol.
        return typeof event.type === "string" ? {} : null;
    }
  }

  list(body: unknown): string[] | null {
    return idsOf(body);
  }
}

/** Messages as the protocol wants them: no empty ones, and the same role never twice in a row. */
function turns(messages: readonly LocalMessage[]): LocalMessage[] {
  const made: LocalMessage[] = [];
  for (const { role, content } of messages) {
    if (role === "system" || content.trim() === "") continue;
    const last = made.at(-1);
    if (last?.role === role) last.content += `\n\n${content}`;
    else made.push({ role, content });
  }
  return made;
}

function sampled({ temperature, topP, topK, stop }: LocalSampling): Fields {
  const stops = stop?.filter((one) => one.trim() !== "") ?? [];
  return {
    // At most 1 there; and newer models take only one of the two.
    ...(temperature !== undefined && { temperature: Math.min(1, temperature) }),
    ...(topP !== undefined && temperature === undefined && { top_p: topP }),
    ...(topK !== undefined && topK > 0 && { top_k: topK }),
    ...(stops.length > 0 && { stop_sequences: stops }),
  };
}

const headers = (key: string): Record<string, string> => ({
  "x-api-key": key,
  "anthropic-version": VERSION,
  // Without it the service answers no page of another origin.
  "anthropic-dangerous-direct-browser-access": "true",
});
