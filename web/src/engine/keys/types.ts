/** Providers that only this browser knows, and what is asked of them. */
import type { LocalAnswer, LocalMessage, LocalSampling } from "../local/types";

/** The protocol that a provider speaks. */
export type ProviderKind = "openai" | "anthropic";

/** A provider as pages see it: all but its key. */
export interface OwnProvider {
  id: string;
  name: string;
  kind: ProviderKind;
  /** Where its API begins, without a slash at the end. */
  baseUrl: string;
  models: readonly string[];
  /** The last characters of the key; empty where there is none, or where it is too short to show any. */
  hint: string;
  /** Whether there is a key. */
  keyed: boolean;
  /** Milliseconds since 1970. */
  addedAt: number;
}

/** A model of such a provider. */
export interface OwnModel {
  /** `own:PROVIDER:MODEL`. */
  id: string;
  /** As the provider calls it. */
  name: string;
  /** How answers of it are signed. */
  label: string;
  provider: string;
  /** Who sees what is asked. */
  host: string;
}

/** Who is asked: a provider of the vault, or one that is not saved yet. With an id and no key, the kept key is used. */
export type Whom = { id: string } | { id?: string; kind: ProviderKind; baseUrl: string; key?: string };

export type Work =
  | { kind: "chat"; model: string; messages: readonly LocalMessage[]; sampling: LocalSampling }
  | { kind: "models" };

/** What the page says to a worker, which does one piece of work. */
export type Command = { type: "CALL"; whom: Whom; work: Work } | { type: "ABORT" };

/** What the worker says: pieces of text, then `ANSWER`, `MODELS` or `ERROR` once. */
export type Report =
  | { type: "TEXT"; text: string }
  | { type: "ANSWER"; answer: LocalAnswer }
  | { type: "MODELS"; models: readonly string[] }
  | { type: "ERROR"; error: unknown };
