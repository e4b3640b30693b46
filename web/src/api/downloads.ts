import type { Fit } from "./models";

/** One way to get a model: a quantisation with all of its files. */
export interface Choice {
  quant: string;
  files: readonly string[];
  /** Bytes of all files. */
  size: number;
  fit: Fit | null;
  /** Whether it is the best that fits this machine. */
  recommended?: boolean;
}

/** What a repository of the hub offers. */
export interface Look {
  repo: string;
  revision: string;
  choices: readonly Choice[];
  licence?: string | null;
  gated?: boolean;
}

export interface Download {
  id: string;
  repo: string;
  quant?: string | null;
  files: readonly string[];
  /** queued, running, checking, paused, done, failed or cancelled. */
  state: string;
  /** Bytes that are there, and that there will be. */
  done: number;
  total: number | null;
  /** Bytes a second. */
  rate?: number | null;
  /** Seconds. */
  eta?: number | null;
  problem?: string | null;
  /** The name that the model has now. */
  model?: string | null;
}
