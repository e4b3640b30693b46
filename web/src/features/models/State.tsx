import type { Model } from "../../api/types";

const FITS: Record<string, { word: string; says: string }> = {
  fits: { word: "Fits", says: "The prediction for this machine: runs well" },
  tight: { word: "Tight", says: "The prediction for this machine: runs, with little memory left" },
  no: { word: "Too large", says: "The prediction for this machine: does not fit into its memory" },
};

/** How far the model is with loading, 0 to 1, or null when it does not load or does not say. */
export function loading(model: Model): number | null {
  const loads = model.state === "starting" || model.state === "loading";
  return loads ? (model.engine?.progress ?? model.progress ?? null) : null;
}

/** Why the model cannot be used or its engine failed, null when nothing is wrong. */
export function trouble(model: Model): string | null {
  const error = model.engine?.error ?? model.error ?? null;
  return model.problem ?? (error ? `${error.message} ${error.hint ?? ""}`.trim() : null);
}

/** The state of a model's engine in a word or two. */
export function stateWord(model: Model): string {
  if (model.problem) return "unusable";
  if (model.engine?.waitsForMemory) return "waits for memory";
  return model.engine?.sleeping ? "asleep" : model.state;
}

/** The state of a model's engine as a mark and a word. */
export function State({ model }: { model: Model }) {
  const part = loading(model);
  const state = model.problem ? "failed" : model.engine?.sleeping ? "sleeping" : model.state;
  return (
    <span className="state" data-testid="model-state">
      <span className="mark" data-state={state} aria-hidden="true" />
      {stateWord(model)}
      {part !== null && <span className="figure"> {Math.floor(part * 100)} %</span>}
    </span>
  );
}

/** Whether a model fits this machine, in a word; nothing where nobody has predicted it. */
export function FitMark({ verdict }: { verdict: string | null | undefined }) {
  const known = verdict ? FITS[verdict] : undefined;
  if (!known) return null;
  return (
    <span className="fit" data-verdict={verdict} title={known.says}>
      {known.word}
    </span>
  );
}
