import type { TurnEvent } from "../api/types";

export interface TurnView {
  turnId: string;
  text: string;
  /** `saved`, the server's states, `reading` or `writing`. */
  state: string;
  error: string | null;
  ended: boolean;
}

/** Joins the events of one turn by offset: each is applied once and in order, whatever arrives. */
export class TurnJoiner {
  next = 0;
  view: TurnView;

  constructor(turnId: string) {
    this.view = { turnId, text: "", state: "saved", error: null, ended: false };
  }

  /** `applied`, `old` (seen before) or `gap` (an earlier one is missing: ask again from `next`). */
  apply(event: TurnEvent): "applied" | "old" | "gap" {
    if (event.offset < this.next) return "old";
    if (event.offset > this.next) return "gap";
    this.next += 1;
    this.view = { ...this.view, ...change(this.view, event) };
    return "applied";
  }
}

function change(view: TurnView, event: TurnEvent): Partial<TurnView> {
  switch (event.type) {
    case "status":
      return { state: event.state === "running" ? "reading" : (event.state ?? view.state) };
    case "token":
      return { text: view.text + (event.text ?? ""), state: "writing" };
    case "reasoning":
      return { state: "thinking" };
    case "error":
      return { error: event.message ?? "The answer failed." };
    case "end":
      return { state: event.state ?? "completed", ended: true };
    default:
      return {};
  }
}
