/** How answers are sampled: the settings with their bounds, and sets of them with a name. Free of React. */
import type { Sampling } from "../api/types";

export type NumberKey = Exclude<keyof Sampling, "stop">;

export interface Bounds {
  low: number;
  high: number;
  whole?: boolean;
}

/** As the server has them (agents/sampling.py). */
export const BOUNDS: Readonly<Record<NumberKey, Bounds>> = {
  temperature: { low: 0, high: 2 },
  topP: { low: 0, high: 1 },
  topK: { low: 0, high: 1000, whole: true },
  minP: { low: 0, high: 1 },
  repeatPenalty: { low: 0, high: 2 },
  presencePenalty: { low: -2, high: 2 },
  frequencyPenalty: { low: -2, high: 2 },
  seed: { low: 0, high: 0xffffffff, whole: true },
  maxTokens: { low: 1, high: 1_000_000, whole: true },
};
export const KEYS = Object.keys(BOUNDS) as NumberKey[];

export const MAX_STOPS = 4;
const STOP_LENGTH = 64;
export const MAX_PRESETS = 50;
export const NAME_LENGTH = 60;
/** Conversations of this browser alone of which the settings are kept. */
const MAX_PLACES = 100;

export interface Preset {
  name: string;
  sampling: Sampling;
}

export const PRESETS: readonly Preset[] = [
  { name: "The model's own", sampling: {} },
  { name: "Precise", sampling: { temperature: 0.2, topP: 0.9 } },
  { name: "Balanced", sampling: { temperature: 0.7, topP: 0.95 } },
  { name: "Creative", sampling: { temperature: 1.1, minP: 0.05 } },
  { name: "Repeatable", sampling: { temperature: 0, seed: 1 } },
];

/** Why a number cannot be set, null when it can. */
export function flaw(key: NumberKey, value: number): string | null {
  const { low, high, whole } = BOUNDS[key];
  if (value >= low && value <= high && (!whole || Number.isInteger(value))) return null;
  return `${whole ? "A whole number" : "A number"} from ${low} to ${high}.`;
}

/** The texts of a box with one in each line; a string says why they cannot be used. */
export function readStops(text: string): string[] | string {
  const stops = text.split("\n").filter((line) => line !== "");
  if (stops.length > MAX_STOPS) return `At most ${MAX_STOPS} texts.`;
  if (stops.some((stop) => stop.length > STOP_LENGTH)) return `At most ${STOP_LENGTH} characters each.`;
  return stops;
}

/** What of a value is a setting; the rest is left out. */
export function checked(value: unknown): Sampling {
  if (typeof value !== "object" || value === null) return {};
  const given = value as Record<string, unknown>;
  const sampling: Sampling = {};
  for (const key of KEYS) {
    const number = given[key];
    if (typeof number === "number" && flaw(key, number) === null) sampling[key] = number;
  }
  if (Array.isArray(given.stop) && given.stop.every((one) => typeof one === "string")) {
    const stops = readStops(given.stop.join("\n"));
    if (typeof stops !== "string" && stops.length > 0) sampling.stop = stops;
  }
  return sampling;
}

const written = (sampling: Sampling) => JSON.stringify(Object.entries(sampling).sort());

export const same = (one: Sampling, other: Sampling): boolean => written(one) === written(other);

export const isEmpty = (sampling: Sampling): boolean => Object.keys(sampling).length === 0;

/** The set that these settings are; null when they are none. */
export function presetOf(sampling: Sampling, mine: readonly Preset[]): Preset | null {
  return [...PRESETS, ...mine].find((preset) => same(preset.sampling, sampling)) ?? null;
}

/** Reads the sets that a person has saved. */
export function readPresets(text: string | null): Preset[] {
  return list(text)
    .map((one) => one as Partial<Preset> | null)
    .filter((one) => typeof one?.name === "string" && one.name.trim() !== "")
    .map((one) => ({ name: String(one?.name).slice(0, NAME_LENGTH), sampling: checked(one?.sampling) }))
    .slice(0, MAX_PRESETS);
}

/** Adds a set, in the place of one with the same name; a string says why not. */
export function withPreset(mine: readonly Preset[], name: string, sampling: Sampling): Preset[] | string {
  const called = name.trim();
  if (called === "") return "Give it a name.";
  if (called.length > NAME_LENGTH) return `At most ${NAME_LENGTH} characters.`;
  if (PRESETS.some((preset) => preset.name.toLowerCase() === called.toLowerCase())) return "This name is taken.";
  const others = mine.filter((preset) => preset.name.toLowerCase() !== called.toLowerCase());
  if (others.length >= MAX_PRESETS) return `At most ${MAX_PRESETS} presets; delete one first.`;
  return [...others, { name: called, sampling }];
}

/** Reads the settings of the conversations that are not on the server (yet). */
export function readPlaces(text: string | null): Record<string, Sampling> {
  const entries = list(text).filter(
    (one): one is [string, unknown] => Array.isArray(one) && typeof one[0] === "string",
  );
  return Object.fromEntries(entries.slice(-MAX_PLACES).map(([place, sampling]) => [place, checked(sampling)]));
}

export function writePlaces(places: Record<string, Sampling>): string {
  return JSON.stringify(
    Object.entries(places)
      .filter(([, sampling]) => !isEmpty(sampling))
      .slice(-MAX_PLACES),
  );
}

function list(text: string | null): unknown[] {
  try {
    const found: unknown = JSON.parse(text ?? "[]");
    return Array.isArray(found) ? found : [];
  } catch {
    return [];
  }
}
