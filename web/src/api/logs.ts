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

/** Where a level comes from: `default`, a file, a variable of the environment, or `flag`. */
export interface LevelOrigin {
  source: string;
  /** Why what counts now ends with the server; null when it is kept. */
  unkept: string | null;
}

/** The least level that is written, for all and for single sources. */
export interface LogLevels {
  level: string;
  levels: Record<string, string>;
  /** All sources that have written since the start. */
  sources: string[];
  origin: { level: LevelOrigin; levels: LevelOrigin };
}

/** Where a level comes from, in words. */
export function originWords({ source, unkept }: LevelOrigin): string {
  if (unkept !== null) return `Until the server ends: ${unkept}`;
  if (source === "default") return "The default";
  if (source === "flag") return "Set on the command line";
  return /[/\\]|\.toml$/.test(source) ? "Kept in corral.toml" : `Set by ${source}`;
}

/** Whether something was set while a server ran, which a reset takes back. */
export function canReset({ source, unkept }: LevelOrigin): boolean {
  return unkept !== null || /[/\\]|\.toml$/.test(source);
}

export const LEVELS = ["debug", "info", "warning", "error"] as const;

/** How grave a level is; what is not known counts as information. */
export function grave(level: string): number {
  const at = LEVELS.indexOf(level as (typeof LEVELS)[number]);
  return at < 0 ? 1 : at;
}
