import type { Message } from "../../api/types";

export interface Asked {
  message: string;
  agentId: string;
  model?: string;
}

/** What was asked of the control API for an answer: the message before it. */
export function askedFor(
  messages: readonly Message[],
  turnId: string,
  agentId: string,
  model: string | null,
): Asked | null {
  const place = messages.findIndex((message) => message.turnId === turnId && message.role === "assistant");
  const question = place > 0 ? messages[place - 1] : messages.find((message) => message.turnId === turnId);
  if (question?.role !== "user") return null;
  return { message: question.content, agentId, ...(model ? { model } : {}) };
}

/** The chat that the model was given for an answer, as a request of the data plane. */
export function modelRequest(messages: readonly Message[], turnId: string, model: string | null): object | null {
  const place = messages.findIndex((message) => message.turnId === turnId && message.role === "assistant");
  if (place < 0) return null;
  const told = messages.slice(0, place).map(({ role, content }) => ({ role, content }));
  return { ...(model ? { model } : {}), messages: told, stream: true, stream_options: { include_usage: true } };
}

/** A text as one word of a POSIX shell. */
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** The call for a shell. */
export function asCurl(address: string, body: object): string {
  const lines = [
    `curl -N ${quoted(address)}`,
    "-H 'content-type: application/json'",
    `-d ${quoted(JSON.stringify(body))}`,
  ];
  return lines.join(" \\\n  ");
}
