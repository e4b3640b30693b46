/** What the worker of the keys does: it opens the one key that it needs, asks its provider, and hands the answer on. */
import { Batcher } from "../local/batcher";
import { failure, localError, toWire } from "../local/errors";
import { checkWork } from "../local/protocol";
import { checkAddress } from "./address";
import { Anthropic } from "./anthropic";
import { type Around, chat, models, type Target } from "./calling";
import { OpenAI } from "./openai";
import type { Command, ProviderKind, Report, Whom, Work } from "./types";
import { checkKey, type Vault } from "./vault";
import type { Wire } from "./wire";

interface Parts {
  vault: Vault;
  ours: string;
  around: Around;
  send(report: Report): void;
}

/** One worker's work: a call, which may be aborted. */
export class Host {
  private readonly stop = new AbortController();
  private begun = false;

  constructor(private readonly parts: Parts) {}

  /** Takes a message of the page. Never rejects: what goes wrong is reported. */
  async take(command: Command): Promise<void> {
    if (command.type === "ABORT") this.stop.abort();
    if (command.type !== "CALL" || this.begun) return;
    this.begun = true;
    try {
      this.parts.send(await this.call(command.whom, command.work));
    } catch (error) {
      // Errors that are not ours may quote what they were given.
      const known = localError(error, "device_generation_failed");
      this.parts.send({ type: "ERROR", error: toWire(known === error ? known : failure(known.code)) });
    }
  }

  private async call(whom: Whom, work: Work): Promise<Report> {
    const target = await this.target(whom);
    const { around, send } = this.parts;
    if (work.kind === "models") return { type: "MODELS", models: await models(target, this.stop.signal, around) };
    const { messages, sampling } = checkWork({ messages: work.messages, sampling: work.sampling });
    const gather = new Batcher((text) => send({ type: "TEXT", text }));
    const asked = { model: work.model, messages, sampling };
    try {
      const answer = await chat(target, asked, (text) => gather.add(text, 1), this.stop.signal, around);
      gather.flush();
      return { type: "ANSWER", answer };
    } finally {
      gather.flush();
    }
  }

  private async target(whom: Whom): Promise<Target> {
    const { vault, ours } = this.parts;
    const { kind, baseUrl } = "kind" in whom ? whom : await vault.get(whom.id);
    const address = checkAddress(baseUrl, ours);
    const typed = checkKey("kind" in whom ? whom.key : undefined);
    const key = typed ?? (whom.id === undefined ? "" : await vault.open(whom.id, address));
    if (kind === "anthropic" && key === "") throw failure("device_key_missing");
    return { baseUrl: rooted(kind, address), key, wire: wireOf(kind, address) };
  }
}

const wireOf = (kind: ProviderKind, address: string): Wire =>
  kind === "anthropic" ? new Anthropic() : new OpenAI(new URL(address).host === "api.openai.com");

/** Anthropic's paths have their version themselves. */
const rooted = (kind: ProviderKind, address: string) => (kind === "anthropic" ? address.replace(/\/v1$/, "") : address);
