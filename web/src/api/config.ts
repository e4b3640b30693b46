import type { OptionValue, Values } from "./models";

/** One setting of the server program. */
export interface AppSetting {
  /** Its name on the wire, and in corral.toml. */
  name: string;
  setting: string;
  /** What it will be after the next start, what counts now, and what it is when nothing is set. */
  value: OptionValue | null;
  running: OptionValue | null;
  default: OptionValue | null;
  /** `default`, a file, a variable of the environment, or `flag`. */
  source: string;
  help: string;
  kind: "bool" | "int" | "float" | "text" | "choice" | "texts";
  choices: readonly string[];
  minimum?: number | null;
  maximum?: number | null;
  /** Whether a change counts only after a restart of the server, and whether one waits for it. */
  restart: boolean;
  pending: boolean;
  editable: boolean;
  reason: string | null;
}

/** What is set for all models and for the server program. */
export interface Everything {
  /** What is set for all models. */
  serverConfig: Values;
  version: number;
  /** What counts for a model that has nothing of its own. */
  effective: Values;
  settings: readonly AppSetting[];
  /** The models whose engines run with other values than those that count. */
  pending: readonly string[];
}

/** One change of the past. */
export interface Change {
  id: string;
  /** model, server, app, template or profile. */
  scope: string;
  name: string;
  version: number;
  action: string;
  by: string;
  at: string;
  before: Values;
  after: Values;
  note: string | null;
}

export interface Profile {
  name: string;
  description: string;
  server: Values;
  models: Readonly<Record<string, Values>>;
  createdAt: string;
  updatedAt: string;
  by: string;
}
