/** US dollars per million tokens; null is not known. */
export interface Prices {
  input: number | null;
  output: number | null;
  cachedInput: number | null;
  cacheWrite: number | null;
}

/** What a model can do; null is as usual for its provider. */
export interface Abilities {
  prefill: boolean | null;
  tools: boolean | null;
  images: boolean | null;
  audio: boolean | null;
  files: boolean | null;
  jsonSchema: boolean | null;
  reasoning: boolean | null;
}

/** Seconds; null is the default. */
export interface Timeouts {
  connect: number | null;
  firstByte: number | null;
  idle: number | null;
  total: number | null;
}

/** A model as somebody wrote it down, or as its provider lists it. */
export interface ProviderModel {
  name: string;
  title: string | null;
  contextLength: number | null;
  maxOutput: number | null;
  prices: Prices | null;
  abilities: Abilities | null;
  source?: "set" | "discovered";
  /** What Corral's own table knows of it; it counts only when it is taken over. */
  suggested?: {
    asOf: string;
    prices: Prices | null;
    contextLength: number | null;
    maxOutput: number | null;
    abilities: Abilities | null;
  } | null;
}

/** A key, without its secret: `hint` is the end of it. */
export interface ProviderKey {
  id: string;
  label: string;
  hint: string;
  createdAt: string | null;
  /** `database`, or the variable of the environment that holds it. */
  source: string;
  problem: string | null;
}

/** The last test since the server's start; `message` and `code` are empty when there is nothing to say. */
export interface Health {
  state: "unknown" | "ok" | "failed";
  at: string | null;
  ms: number | null;
  message: string;
  code: string;
}

export interface Provider {
  id: string;
  name: string;
  kind: string;
  vendor: string | null;
  /** What was set, and what is called. */
  baseUrl: string | null;
  address: string | null;
  description: string;
  enabled: boolean;
  headers: Readonly<Record<string, string>>;
  timeouts: Timeouts;
  abilities: Abilities;
  prices: Prices | null;
  models: readonly ProviderModel[];
  discover: boolean;
  /** Requests under way at once, at most; null is as usual. */
  connections: number | null;
  keys: readonly ProviderKey[];
  version: number;
  /** `database`, or the file that it is written in. */
  source: string;
  readOnly: boolean;
  /** Why it cannot be used. */
  problem: string | null;
  health: Health;
  /** The routes that use it. */
  routes: readonly string[];
  createdAt: string | null;
  updatedAt: string | null;
  by: string | null;
}

/** One kind of provider to choose from. */
export interface Kind {
  kind: string;
  vendor: string | null;
  title: string;
  baseUrl: string | null;
  keyNeeded: boolean;
  /** Where keys are to be had. */
  keyUrl: string | null;
  description: string;
}

/** What a test of the connection found. */
export interface Test {
  ok: boolean;
  ms: number | null;
  models: number | null;
  message: string;
  code: string;
  at: string;
  /** Each key by itself. */
  keys: readonly { label: string; ok: boolean; message: string }[];
}

/** Something that was deleted and can be had back until then. */
export interface Removed {
  name: string;
  at: string;
  until: string;
}

export interface Providers {
  providers: readonly Provider[];
  removed: readonly Removed[];
}

/** A test may wait for a service that is far away or slow. */
export const TEST = 60_000;

interface Named {
  name: string;
}

/** Rows by name after news of some of them: changed ones take their places, new ones come in, removed ones go. */
export function patched<T extends Named>(
  known: readonly T[],
  changed: readonly T[] | undefined,
  removed: readonly string[] | undefined,
): readonly T[] {
  const news = new Map((changed ?? []).map((row) => [row.name, row]));
  const gone = new Set(removed ?? []);
  const kept = known.filter((row) => !gone.has(row.name)).map((row) => news.get(row.name) ?? row);
  const names = new Set(known.map((row) => row.name));
  const added = [...news.values()].filter((row) => !names.has(row.name) && !gone.has(row.name));
  return [...kept, ...added].sort((one, other) => one.name.localeCompare(other.name));
}
