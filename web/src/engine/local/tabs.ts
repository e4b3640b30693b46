/** What the tabs of this browser say to each other about the one loaded model. */
import type { WireError } from "./errors";
import type { Work } from "./protocol";
import type { EngineState, LocalAnswer } from "./types";

export type Task =
  | { verb: "load"; model: string }
  | { verb: "unload" }
  | { verb: "generate"; model: string; work: Work };

export type Word =
  /** Who holds the model? */
  | { kind: "ask"; from: string }
  /** I do, and so it stands. */
  | { kind: "state"; from: string; state: EngineState }
  | { kind: "call"; from: string; to: string; id: string; task: Task }
  | { kind: "stop"; from: string; to: string; id: string }
  /** Your call is taken, or still under way. */
  | { kind: "heard"; from: string; to: string; id: string }
  | { kind: "text"; from: string; to: string; id: string; text: string; tokens: number }
  | { kind: "done"; from: string; to: string; id: string; answer?: LocalAnswer }
  | { kind: "error"; from: string; to: string; id: string; error: WireError };

const KINDS = new Set(["ask", "state", "call", "stop", "heard", "text", "done", "error"]);
const ID = 100;

function isId(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= ID;
}

function isTask(value: unknown): boolean {
  const task = value as Partial<Record<string, unknown>> | null;
  if (typeof task !== "object" || task === null) return false;
  if (task.verb === "unload") return true;
  return (task.verb === "load" || task.verb === "generate") && typeof task.model === "string";
}

/** A word of another tab, which may run another version of the app; null for what cannot be understood. */
export function readWord(value: unknown): Word | null {
  if (typeof value !== "object" || value === null) return null;
  const word = value as Record<string, unknown>;
  if (typeof word.kind !== "string" || !KINDS.has(word.kind) || !isId(word.from)) return null;
  if (word.kind === "ask") return word as Word;
  if (word.kind === "state") {
    const state = word.state as { kind?: unknown } | null;
    return typeof state === "object" && typeof state?.kind === "string" ? (word as Word) : null;
  }
  if (!isId(word.to) || !isId(word.id)) return null;
  if (word.kind === "call" && !isTask(word.task)) return null;
  if (word.kind === "text" && (typeof word.text !== "string" || typeof word.tokens !== "number")) return null;
  return word as Word;
}
