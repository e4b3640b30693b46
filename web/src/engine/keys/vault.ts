/** The keys of a person's own providers, encrypted in this browser. */
import { randomKey } from "../ids";
import { failure, LocalError } from "../local/errors";
import { checkAddress } from "./address";
import type { OwnProvider, ProviderKind } from "./types";

/** A provider as it is kept: its settings as they are, its key sealed. */
export interface Sealed extends Omit<OwnProvider, "keyed"> {
  sealed: { iv: Uint8Array<ArrayBuffer>; text: ArrayBuffer } | null;
}

/** Where the vault lies. All of it is on disk when a promise is fulfilled. */
export interface VaultStore {
  all(): Promise<Sealed[]>;
  get(id: string): Promise<Sealed | undefined>;
  put(row: Sealed): Promise<void>;
  remove(id: string): Promise<void>;
  master(): Promise<CryptoKey | undefined>;
  /** Keeps `made` unless there is one already; gives the one that is kept. */
  keepMaster(made: CryptoKey): Promise<CryptoKey>;
}

/** What a person writes. Without `id` it is a new one; without `key` the kept one stays. */
export interface Draft {
  id?: string;
  name: string;
  kind: ProviderKind;
  baseUrl: string;
  models: readonly string[];
  key?: string;
}

export const MAX_PROVIDERS = 20;
export const MAX_MODELS = 50;
const MAX_NAME = 60;
/** Characters; an answer is signed with the name, and the server takes 200. */
const MAX_MODEL = 150;
const MAX_KEY = 500;
/** Characters that are shown of a key, and how long it must be for that. */
const HINT = 4;
const HINTED = 16;
/** Bytes: what AES-GCM is made for (NIST SP 800-38D, 8.2). */
const IV = 12;

const wrong = (param: string, message: string) => failure("device_request_invalid", message, false, param);

export class Vault {
  constructor(
    private readonly store: VaultStore,
    /** The origin of this page. */
    private readonly ours: string,
    private readonly crypto: Crypto = globalThis.crypto,
  ) {}

  /** All providers, the oldest first. */
  async list(): Promise<OwnProvider[]> {
    const rows = await this.store.all();
    return rows.map(shown).sort((one, other) => one.addedAt - other.addedAt);
  }

  async get(id: string): Promise<OwnProvider> {
    return shown(await this.row(id));
  }

  /** Adds or changes one. Raises LocalError with the field in `param`, and `device_insecure` where nothing can be encrypted. */
  async save(draft: Draft): Promise<OwnProvider> {
    const subtle = this.subtle();
    const known = draft.id === undefined ? undefined : await this.row(draft.id);
    const others = (await this.store.all()).filter((row) => row.id !== draft.id);
    if (others.length >= MAX_PROVIDERS) throw wrong("name", `There can be at most ${MAX_PROVIDERS} providers.`);
    const baseUrl = checkAddress(draft.baseUrl, this.ours);
    const { origin } = new URL(baseUrl);
    const key = checkKey(draft.key);
    if (known?.sealed && key === undefined && new URL(known.baseUrl).origin !== origin)
      throw wrong("key", "The kept key is for another address. Enter the key for this one.");
    if (draft.kind === "anthropic" && key === undefined && !known?.sealed)
      throw wrong("key", "Enter the key; this kind of provider answers nobody without one.");
    const row: Sealed = {
      id: known?.id ?? randomKey(),
      name: checkName(draft.name, others),
      kind: draft.kind,
      baseUrl,
      models: checkModels(draft.models),
      hint: key === undefined ? (known?.hint ?? "") : key.length >= HINTED ? key.slice(-HINT) : "",
      addedAt: known?.addedAt ?? Date.now(),
      sealed: known?.sealed ?? null,
    };
    if (key !== undefined) {
      const iv = this.crypto.getRandomValues(new Uint8Array(IV));
      const how = { name: "AES-GCM", iv, additionalData: bound(row.id, origin) };
      const text = await subtle.encrypt(how, await this.master(), new TextEncoder().encode(key));
      row.sealed = { iv, text };
    }
    await this.store.put(row);
    return shown(row);
  }

  /** Removes one at once; what is given back can be put there again with `restore`. */
  async remove(id: string): Promise<Sealed> {
    const row = await this.row(id);
    await this.store.remove(id);
    return row;
  }

  async restore(row: Sealed): Promise<void> {
    await this.store.put(row);
  }

  /**
   * The key for requests to `baseUrl`, empty where there is none. It is sealed together with the origin that it was entered for, so
   * it opens for no other. Raises LocalError `device_key_missing` and `device_key_unreadable`.
   */
  async open(id: string, baseUrl: string): Promise<string> {
    const { sealed } = await this.row(id);
    if (sealed === null) return "";
    const subtle = this.subtle();
    const master = await this.store.master();
    if (!master) throw failure("device_key_unreadable");
    try {
      const how = { name: "AES-GCM", iv: sealed.iv, additionalData: bound(id, new URL(baseUrl).origin) };
      return new TextDecoder().decode(await subtle.decrypt(how, master, sealed.text));
    } catch {
      throw failure("device_key_unreadable");
    }
  }

  private async row(id: string): Promise<Sealed> {
    const row = await this.store.get(id);
    if (!row) throw failure("device_key_missing");
    return row;
  }

  /** The key that seals the others: not extractable, so no script gets its bytes. */
  private async master(): Promise<CryptoKey> {
    const known = await this.store.master();
    if (known) return known;
    const made = await this.subtle().generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
    return this.store.keepMaster(made);
  }

  private subtle(): SubtleCrypto {
    // Undefined outside of secure contexts, whatever its type says.
    const subtle = this.crypto.subtle as SubtleCrypto | undefined;
    if (!subtle) throw failure("device_insecure");
    return subtle;
  }
}

const shown = ({ sealed, ...settings }: Sealed): OwnProvider => ({ ...settings, keyed: sealed !== null });

const bound = (id: string, origin: string) => new TextEncoder().encode(`${id}\n${origin}`);

function checkName(value: string, others: readonly Sealed[]): string {
  const name = value.trim();
  if (name === "" || name.length > MAX_NAME) throw wrong("name", `Give it a name of at most ${MAX_NAME} characters.`);
  if (others.some((row) => row.name === name)) throw wrong("name", "There is one of this name.");
  return name;
}

function checkModels(given: readonly string[]): string[] {
  const models = [...new Set(given.map((model) => model.trim()).filter(Boolean))];
  if (models.length === 0) throw wrong("models", "Name at least one model.");
  if (models.length > MAX_MODELS) throw wrong("models", `Name at most ${MAX_MODELS} models.`);
  const long = models.find((model) => model.length > MAX_MODEL);
  if (long) throw wrong("models", `The name of a model has at most ${MAX_MODEL} characters.`);
  return models;
}

/** Checks a key as a header takes it; undefined for none. Its text is in no message. */
export function checkKey(value: string | undefined): string | undefined {
  const key = value?.trim();
  if (!key) return undefined;
  if (key.length > MAX_KEY || !/^[\x21-\x7e]+$/.test(key))
    throw wrong("key", `A key has at most ${MAX_KEY} letters, digits and signs, without spaces.`);
  return key;
}

/** Whether an error is one of ours about a field. */
export const fieldOf = (error: unknown): string | undefined => (error instanceof LocalError ? error.param : undefined);
