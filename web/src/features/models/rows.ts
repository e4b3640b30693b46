import type { Model } from "../../api/types";

export interface Filters {
  text: string;
  state: string;
  quantization: string;
  architecture: string;
  fit: string;
  size: string;
}
export type Column = "name" | "state" | "fit" | "quantization" | "parameters" | "size" | "context";
export interface Sorting {
  by: Column;
  down: boolean;
}

export const ALL: Filters = { text: "", state: "", quantization: "", architecture: "", fit: "", size: "" };
export const SIZES: readonly { label: string; value: string; from: number; to: number }[] = [
  { label: "under 1 GB", value: "1", from: 0, to: 1e9 },
  { label: "1 to 4 GB", value: "4", from: 1e9, to: 4e9 },
  { label: "4 to 16 GB", value: "16", from: 4e9, to: 16e9 },
  { label: "over 16 GB", value: "more", from: 16e9, to: Number.POSITIVE_INFINITY },
];
const STATES: Record<string, readonly string[]> = {
  running: ["ready", "busy", "starting", "loading", "stopping", "sleeping"],
  stopped: ["stopped"],
  failed: ["failed"],
};
/** Those that run come first when rows are sorted by state. */
const ORDER = ["busy", "ready", "loading", "starting", "stopping", "sleeping", "failed", "stopped"];
const FITS = ["fits", "tight", "no"];
const names = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** Whether a model that has no size filter, or whose size lies in it. */
function sized(model: Model, size: string): boolean {
  const wanted = SIZES.find((one) => one.value === size);
  return !wanted || ((model.sizeBytes ?? 0) >= wanted.from && (model.sizeBytes ?? 0) < wanted.to);
}

/** The models that all filters let through. Every word of the text must be in the name or the facts. */
export function matching(models: readonly Model[], filters: Filters): Model[] {
  const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  const states = filters.state === "" ? null : (STATES[filters.state] ?? [filters.state]);
  return models.filter((model) => {
    if (states && !states.includes(model.problem ? "failed" : model.state)) return false;
    if (filters.quantization && model.quantization !== filters.quantization) return false;
    if (filters.architecture && model.architecture !== filters.architecture) return false;
    if (filters.fit && model.fit !== filters.fit) return false;
    if (!sized(model, filters.size)) return false;
    if (words.length === 0) return true;
    const text =
      `${model.name} ${model.title ?? ""} ${model.architecture ?? ""} ${model.quantization ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

function key(model: Model, by: Column): number | string | null {
  switch (by) {
    case "name":
      return model.name;
    case "state":
      return ORDER.indexOf(model.problem ? "failed" : model.state);
    case "fit":
      return model.fit ? FITS.indexOf(model.fit) : null;
    case "quantization":
      return model.quantization ?? null;
    case "parameters":
      return model.parameters ?? null;
    case "size":
      return model.sizeBytes ?? null;
    case "context":
      return model.contextLength ?? null;
  }
}

/** The models in order; those without a value come last either way, and equals go by name. */
export function sorted(models: readonly Model[], { by, down }: Sorting): Model[] {
  const keyed = models.map((model) => ({ model, key: key(model, by) }));
  keyed.sort((left, right) => {
    if (left.key === null || right.key === null) {
      if (left.key !== right.key) return left.key === null ? 1 : -1;
      return names.compare(left.model.name, right.model.name);
    }
    const order =
      typeof left.key === "number" && typeof right.key === "number"
        ? left.key - right.key
        : names.compare(String(left.key), String(right.key));
    return (down ? -order : order) || names.compare(left.model.name, right.model.name);
  });
  return keyed.map((entry) => entry.model);
}

/** The values that a filter offers, by name. */
export function choices(models: readonly Model[], of: "quantization" | "architecture"): string[] {
  const found = new Set(models.map((model) => model[of]).filter((value): value is string => !!value));
  return [...found].sort(names.compare);
}
