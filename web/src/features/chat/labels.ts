import type { AnswerStats, Message } from "../../api/types";

const LABELS: Record<string, string> = {
  saved: "Saved ✓",
  queued: "Queued",
  running: "Reading prompt",
  reading: "Reading prompt",
  thinking: "Thinking",
  writing: "Writing",
  completed: "Done",
  cancelled: "Stopped",
  failed: "Interrupted",
  interrupted: "Interrupted",
};

const FINAL = new Set(["completed", "cancelled", "failed", "interrupted"]);

/** What is known beside a turn's own state. */
export interface Around {
  /** How many answers of the conversation come before this one. */
  ahead?: number;
  /** Whether the server is reached; only asked of answers under way. */
  connected?: boolean;
  /** The model's name, state and loaded part (0 to 1). */
  model?: { name: string; state: string; progress: number | null } | undefined;
}

/** What the status line says for a turn's state. */
export function stateLabel(state: string, around: Around = {}): string {
  const { ahead = 0, connected = true, model } = around;
  if (!connected && !FINAL.has(state)) return "Connection lost; goes on by itself";
  if ((state === "queued" || state === "saved") && ahead > 0) return `Queued #${ahead + 1}`;
  const early = state === "queued" || state === "running" || state === "reading";
  if (early && model && (model.state === "starting" || model.state === "loading")) {
    const part = model.progress === null ? "" : ` ${Math.floor(model.progress * 100)} %`;
    return `Starting ${model.name}${part}`;
  }
  return LABELS[state] ?? state;
}

/** Says that a long conversation was not shown to the model whole. */
export function leftOutLabel(count: number): string {
  return `Without the ${count === 1 ? "first message" : `first ${count} messages`}: they no longer fit`;
}

/** Where an answer was made, when it was not the server. `mine` is what this device is called. */
export function placeLabel(
  { place, device, model }: Pick<Message, "place" | "device" | "model">,
  mine: string,
): string {
  if (place !== "device") return "";
  const where = !device || device === mine ? "This device" : "Another device";
  return model ? `${where} · ${model}` : where;
}

/** Figures that are kept with an answer. */
export function figuresOf(stats: AnswerStats): string {
  const { tokens = null, tokensPerSecond = 0 } = stats;
  return figures(tokens, tokens !== null && tokensPerSecond > 0 ? ((tokens - 1) * 1000) / tokensPerSecond : null);
}

/** Figures of a finished answer, as far as they are known. */
export function figures(tokens: number | null, took: number | null): string {
  if (tokens === null) return "";
  const count = `${tokens.toLocaleString("en")} ${tokens === 1 ? "token" : "tokens"}`;
  if (took === null || tokens < 2 || took < 50) return count;
  const rate = ((tokens - 1) * 1000) / took;
  return `${count} · ${rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en")} tokens/s`;
}
