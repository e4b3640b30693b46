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
  /** The last restart of engines that ran with earlier settings, or the one under way. */
  renewal: Renewal | null;
}

/** Engines that go over to what is set now, one after the other. */
export interface Renewal {
  running: boolean;
  /** Whether it ends after the present engine. */
  stopping: boolean;
  by: string;
  startedAt: string;
  engines: readonly {
    name: string;
    state: "waiting" | "restarting" | "done" | "failed" | "skipped";
    error?: string;
    lastLines?: readonly string[];
    /** Whether an engine of the model answers all the same. */
    serves?: boolean;
  }[];
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
  /** Of a switch of profiles that can be undone: how many models it reaches, and whether what is set for all of them. */
  undo?: { models: number; server: boolean };
}

/** What became of a switch of profiles, or of its undoing. */
export interface Activated {
  /** The profile that is in force now. */
  active: string | null;
  ok: boolean;
  results: readonly { name: string; ok: boolean; error?: string }[];
  /** The change of the history by which it can be undone; null when nothing was changed. */
  change: string | null;
}

/** Why something is not taken back: what was changed since, of each model, of all of them where the name is empty. */
export interface Since {
  diff: readonly {
    name: string;
    /** Whether the model itself is gone. */
    gone: boolean;
    options: Readonly<Record<string, { before: OptionValue | null; now: OptionValue | null }>>;
  }[];
  /** How many more models differ. */
  more: number;
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
