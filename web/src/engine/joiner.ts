import type { TurnEvent } from "../api/types";

export interface TurnView {
  turnId: string;
  text: string;
  /** `saved`, the server's states, `reading`, `thinking` or `writing`. */
  state: string;
  error: string | null;
  /** What may help against the error, as the table of errors names it. */
  steps?: readonly string[];
  ended: boolean;
  /** Tokens of the answer, when the model has told. */
  tokens: number | null;
  /** Milliseconds from the first word to the last, when all of it was seen as it came. */
  took: number | null;
  /** How many of the oldest messages the model was not shown, since they do not fit into its context. */
  leftOut: number;
  /** How far the model is loaded, 0 to 1, while an answer of this device waits for that. */
  loading?: number;
}

/** Joins the events of one turn by offset: each is applied once and in order, whatever arrives. */
export class TurnJoiner {
  next = 0;
  view: TurnView;
  private attempts = 0;
  private firstAt: number | null = null;
  private lastAt = 0;

  /** `witnessed`: the turn is followed from its beginning, so that its times can be taken. */
  constructor(
    turnId: string,
    private readonly witnessed = false,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.view = { turnId, text: "", state: "saved", error: null, ended: false, tokens: null, took: null, leftOut: 0 };
  }

  /** `applied`, `old` (seen before) or `gap` (an earlier one is missing: ask again from `next`). */
  apply(event: TurnEvent): "applied" | "old" | "gap" {
    if (event.offset < this.next) return "old";
    if (event.offset > this.next) return "gap";
    this.next += 1;
    this.view = { ...this.view, ...this.change(event) };
    return "applied";
  }

  private change(event: TurnEvent): Partial<TurnView> {
    switch (event.type) {
      case "status":
        if (event.leftOut !== undefined) return { leftOut: event.leftOut };
        if (event.state === "running") this.attempts += 1;
        return { state: event.state === "running" ? "reading" : (event.state ?? this.view.state) };
      case "token":
        this.lastAt = this.now();
        this.firstAt ??= this.lastAt;
        return { text: this.view.text + (event.text ?? ""), state: "writing" };
      case "reasoning":
        return { state: "thinking" };
      case "usage":
        // After an interruption the model counts only what it has written since.
        return this.attempts > 1 ? {} : { tokens: event.completionTokens ?? null };
      case "error":
        return { error: event.message ?? "The answer failed." };
      case "end":
        return { state: event.state ?? "completed", ended: true, took: this.took() };
      default:
        return {};
    }
  }

  private took(): number | null {
    const honest = this.witnessed && this.attempts <= 1 && this.firstAt !== null && this.lastAt > this.firstAt;
    return honest && this.firstAt !== null ? this.lastAt - this.firstAt : null;
  }
}
