/** Going on with an answer that was cut, by giving the model what it has said so far. */
import { failure } from "./errors";
import type { Work } from "./protocol";

/** What is left to ask after `text`, of `tokens` tokens, has come. Raises LocalError when that cannot be gone on with. */
export function remaining(work: Work, text: string, tokens: number): Work {
  if (!text) return work;
  if (work.schema) {
    // A grammar begins anew with each request, so it cannot take up a text in its middle.
    throw failure("device_worker_lost", "The answer was cut, and one in a given form cannot be continued.", true);
  }
  const { maxTokens } = work.sampling;
  const last = work.messages.at(-1);
  const begun = last?.role === "assistant" ? last.content : "";
  return {
    messages: [...(begun ? work.messages.slice(0, -1) : work.messages), { role: "assistant", content: begun + text }],
    sampling: { ...work.sampling, ...(maxTokens !== undefined && { maxTokens: Math.max(1, maxTokens - tokens) }) },
  };
}

/** Whether the last message is an answer to be gone on with. */
export function continues({ messages }: Work): boolean {
  return messages.at(-1)?.role === "assistant" && messages.at(-1)?.content !== "";
}

/**
 * Asking llama.cpp to go on with a message: its templates cut the space at the end off, and it says the message again from
 * its beginning. `take` returns of what it says only the new.
 */
export class Joint {
  readonly work: Work;
  private readonly prefix: string = "";
  private readonly tail: string = "";
  private raw = "";
  private open: boolean;

  constructor(work: Work) {
    this.open = !continues(work);
    this.work = work;
    if (this.open) return;
    const content = work.messages.at(-1)?.content ?? "";
    this.prefix = content.trimEnd();
    this.tail = content.slice(this.prefix.length);
    this.work = { ...work, messages: [...work.messages.slice(0, -1), { role: "assistant", content: this.prefix }] };
  }

  take(piece: string): string {
    if (this.open) return piece;
    this.raw += piece;
    const { prefix, raw } = this;
    if (raw.length < prefix.length && prefix.startsWith(raw)) return "";
    let fresh = raw.startsWith(prefix) ? raw.slice(prefix.length) : raw;
    if (this.tail) fresh = fresh.trimStart();
    this.open = fresh !== "";
    return fresh;
  }
}
