import type { Connection } from "../engine/connection";
import type { Model } from "./types";

export type Verdict = "fits" | "tight" | "no";
export type OptionValue = boolean | number | string | readonly (number | string)[] | Readonly<Record<string, unknown>>;
/** Options by their key; what is not there is not set. */
export type Values = Readonly<Record<string, OptionValue | null>>;

/** One option of the engine, as the catalogue tells it. */
export interface Option {
  key: string;
  group: string;
  kind: "bool" | "int" | "float" | "text" | "choice" | "path" | "ints" | "floats" | "texts" | "paths" | "json";
  label: string;
  help: string;
  default: OptionValue | null;
  flag: string | null;
  unit: string | null;
  /** Bounds of a number, of each number of a list, or of the length of a text. */
  minimum: number | null;
  maximum: number | null;
  choices: readonly string[];
  multiline: boolean;
  advanced: boolean;
  /** Whether a running engine takes it only with a new start. */
  restart: boolean;
  scopes: readonly string[];
  engines: readonly string[];
}

export interface Catalogue {
  groups: readonly { name: string; label: string; help: string }[];
  options: readonly Option[];
}

/** What the prediction says of a model with certain settings; sizes in bytes. */
export interface Fit {
  verdict: Verdict;
  /** The verdict in a sentence. */
  reason: string;
  /** What else is to be known. */
  notes?: readonly string[];
  total: number;
  parts: Readonly<Record<string, number>>;
  machine?: {
    total: number;
    available: number;
    /** What all engines may use together, if not all. */
    limit?: number | null;
    devices?: readonly { name: string; total: number; available: number }[];
  };
  /** Bytes on the host and on each card. */
  perDevice?: Readonly<Record<string, number>>;
  recommended?: Values;
}

/** The settings of a model: its own, those of all models, and what counts with the layer that it comes from. */
export interface Configuration {
  version: number;
  own: Values;
  server: Values;
  effective: Values;
  sources: Readonly<Record<string, string>>;
  /** Whether its engine runs with other values than those that count. */
  pending: boolean;
}

export interface ModelDetail extends Model {
  configuration?: Configuration;
  chatTemplate?: string | null;
}

export interface Template {
  name: string;
  description: string;
  values: Values;
  version: number;
  updatedAt: string;
  by: string;
  problem: string | null;
}

/** Starting a large model takes as long as its file takes to read. */
export const START = 600_000;

export const listModels = async (live: Connection) =>
  (await live.ask<{ models: Model[] }>("models:list", {}, 60_000)).models;

export const modelAction = (live: Connection, name: string, action: "start" | "stop" | "restart") =>
  live.intend<Model>(`models:${action}`, { name }, START);

/** Rows of models after news of some of them: changed rows take their places, new ones come in, removed ones go. */
export function patchModels(known: readonly Model[], news: { models?: readonly Model[]; removed?: readonly string[] }) {
  const changed = new Map((news.models ?? []).map((model) => [model.name, model]));
  const gone = new Set(news.removed ?? []);
  const kept = known.filter((model) => !gone.has(model.name)).map((model) => changed.get(model.name) ?? model);
  const names = new Set(known.map((model) => model.name));
  return [...kept, ...[...changed.values()].filter((model) => !names.has(model.name) && !gone.has(model.name))];
}

/** Rows of models after news of one engine's state; the same rows when it is of no model among them. */
export function patchStatus(known: readonly Model[], status: { name?: string; state?: string }): readonly Model[] {
  const at = known.findIndex((model) => model.name === status.name);
  const row = known[at];
  if (!row || !status.state) return known;
  return known.with(at, { ...row, state: status.state, engine: { ...row.engine, ...status } as Model["engine"] });
}
