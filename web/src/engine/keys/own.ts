/** A person's own providers, for the pages of one tab; the other tabs see the same. */
import { ownId } from "./ids";
import { RemoteEngine } from "./remote";
import type { OwnModel, OwnProvider, Whom } from "./types";
import { type Draft, type Sealed, Vault } from "./vault";
import { IndexedVault } from "./vault-store";

type Listener = (providers: readonly OwnProvider[]) => void;

/** What a test of a provider found. */
export interface Tested {
  model: string;
  /** Milliseconds to the first word. */
  ms: number;
}

const ASK = "Answer with the word: ready";
/** Tokens: models that think first need more than the word has. */
const TOKENS = 256;

export class OwnKeys {
  private readonly listeners = new Set<Listener>();

  constructor(
    private readonly vault: Vault = new Vault(new IndexedVault(), location.origin),
    readonly engine: RemoteEngine = new RemoteEngine(),
    private readonly tabs = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("corral.keys"),
  ) {
    this.tabs?.addEventListener("message", () => void this.tell().catch(() => undefined));
  }

  list(): Promise<OwnProvider[]> {
    return this.vault.list();
  }

  subscribe(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async save(draft: Draft): Promise<OwnProvider> {
    const saved = await this.vault.save(draft);
    await this.changed();
    return saved;
  }

  /** Removes it at once, and its key; `restore` puts it there again as long as somebody has what is given back. */
  async remove(id: string): Promise<Sealed> {
    const row = await this.vault.remove(id);
    await this.changed();
    return row;
  }

  async restore(row: Sealed): Promise<void> {
    await this.vault.restore(row);
    await this.changed();
  }

  models(whom: Whom): Promise<readonly string[]> {
    return this.engine.models(whom);
  }

  /** Asks a model for a word. Raises LocalError. */
  async test(whom: Whom, model: string): Promise<Tested> {
    const begun = performance.now();
    let first: number | null = null;
    const asked = { model, messages: [{ role: "user" as const, content: ASK }], sampling: { maxTokens: TOKENS } };
    await this.engine.chat(whom, asked, () => {
      first ??= performance.now();
    });
    return { model, ms: (first ?? performance.now()) - begun };
  }

  private async changed(): Promise<void> {
    this.tabs?.postMessage("changed");
    await this.tell();
  }

  private async tell(): Promise<void> {
    const providers = await this.vault.list();
    for (const listener of this.listeners) listener(providers);
  }
}

/** The models of all providers, as the chat offers them. */
export const modelsOf = (providers: readonly OwnProvider[]): OwnModel[] =>
  providers.flatMap(({ id, name, baseUrl, models }) =>
    models.map((model) => ({
      id: ownId(id, model),
      name: model,
      label: `${model} (own key)`,
      provider: name,
      host: new URL(baseUrl).host,
    })),
  );
