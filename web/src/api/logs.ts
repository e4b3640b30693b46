/** One line of the log. */
export interface LogLine {
  id: string;
  /** ISO 8601, UTC. */
  at: string;
  level: string;
  /** The part of Corral that wrote it, or `engine:NAME`. */
  source: string;
  message: string;
  requestId?: string | null;
  fields?: Record<string, unknown> | null;
}

/** Pushed a few times a second; `dropped` counts the lines that the server left out to keep up. */
export interface LogBatch {
  lines: LogLine[];
  dropped: number;
}

/** The least level that is written, for all and for single sources. */
export interface LogLevels {
  level: string;
  levels: Record<string, string>;
}

export const LEVELS = ["debug", "info", "warning", "error"] as const;

/** How grave a level is; what is not known counts as information. */
export function grave(level: string): number {
  const at = LEVELS.indexOf(level as (typeof LEVELS)[number]);
  return at < 0 ? 1 : at;
}
