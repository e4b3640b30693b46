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
};

/** What the status line says for a turn's state. */
export function stateLabel(state: string): string {
  return LABELS[state] ?? state;
}
