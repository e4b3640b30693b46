import type { Option, OptionValue, Values } from "../../api/models";
import { bytes } from "../format";

/** What a person has written but not saved: texts by option, null to take the own value away. */
export type Edits = Readonly<Record<string, string | null>>;

const LISTS = new Set(["ints", "floats", "texts", "paths"]);
const NUMBERS = new Set(["int", "float", "ints", "floats"]);
const grouped = (value: number) => value.toLocaleString("en", { maximumFractionDigits: 6 });
const amount = (option: Option, value: number) => (option.unit === "bytes" ? bytes(value) : grouped(value));
const SIZE = /^([\d.]+)\s*([kmgt])(i?)b?$/i;

/** A value as it is written in a form. */
export function written(option: Option, value: OptionValue | null | undefined): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return value.join(NUMBERS.has(option.kind) ? ", " : "\n");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A value as it is told where its unit stands beside it. */
export function bare(option: Option, value: OptionValue | null | undefined): string {
  return typeof value === "number" ? amount(option, value) : told(option, value);
}

/** A value as it is told in a sentence, with its unit. */
export function told(option: Option, value: OptionValue | null | undefined): string {
  if (value === null || value === undefined) return "not set";
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "number")
    return option.unit && option.unit !== "bytes" ? `${grouped(value)} ${option.unit}` : amount(option, value);
  const text = written(option, value).replaceAll("\n", ", ");
  if (text === "") return "none";
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}

/** The bounds of an option in words, empty when it has none. */
export function range(option: Option): string {
  if (!NUMBERS.has(option.kind)) return "";
  const { minimum, maximum } = option;
  if (minimum !== null && maximum !== null) return `${amount(option, minimum)} to ${amount(option, maximum)}`;
  if (minimum !== null) return `at least ${amount(option, minimum)}`;
  return maximum === null ? "" : `at most ${amount(option, maximum)}`;
}

/** Whether a list is written in lines of its own. */
export const inLines = (option: Option) => option.kind === "texts" || option.kind === "paths" || option.kind === "json";

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

type Read = { value: OptionValue | null } | { reason: string };

/** The bytes of a text like 12 GB or 12GiB, else the text itself. */
function size(text: string): number | string {
  const [, count, unit = "", binary] = SIZE.exec(text.trim()) ?? [];
  if (count === undefined) return text;
  return Math.round(Number(count) * (binary ? 1024 : 1000) ** ("kmgt".indexOf(unit.toLowerCase()) + 1));
}

function number(option: Option, text: string): number | string {
  const value = Number(option.unit === "bytes" ? size(text) : text);
  const integer = option.kind.startsWith("int");
  if (text.trim() === "" || !Number.isFinite(value)) return "must be a number";
  if (integer && !Number.isInteger(value)) return "must be a whole number";
  const low = option.minimum !== null && value < option.minimum;
  const high = option.maximum !== null && value > option.maximum;
  return low || high ? `must be ${range(option)}` : value;
}

function list(option: Option, text: string): Read {
  const parts = text.split(NUMBERS.has(option.kind) ? /[,\s]+/ : "\n").filter((part) => part.trim() !== "");
  if (!NUMBERS.has(option.kind)) return { value: parts.map((part) => part.trim()) };
  const numbers = parts.map((part) => number(option, part));
  const wrong = numbers.find((one) => typeof one === "string");
  return wrong === undefined ? { value: numbers as number[] } : { reason: `Each ${wrong}.` };
}

/** The value of a text, or why it is none. An empty text is no value. The server checks all of it again. */
export function read(option: Option, text: string): Read {
  if (text.trim() === "") return { value: null };
  if (LISTS.has(option.kind)) return list(option, text);
  if (option.kind === "bool") return { value: text === "true" };
  if (option.kind === "int" || option.kind === "float") {
    const value = number(option, text);
    return typeof value === "string" ? { reason: sentence(value) } : { value };
  }
  if (option.kind !== "json") return { value: text };
  try {
    return { value: JSON.parse(text) as OptionValue };
  } catch {
    return { reason: "Must be JSON." };
  }
}

const same = (left: unknown, right: unknown) => JSON.stringify(left ?? null) === JSON.stringify(right ?? null);

/** What the edits change of the own values, and which of them cannot be. */
export function changesOf(options: readonly Option[], own: Values, edits: Edits) {
  const changes: Record<string, OptionValue | null> = {};
  const problems: Record<string, string> = {};
  for (const option of options) {
    const text = edits[option.key];
    if (text === undefined) continue;
    const found = text === null ? { value: null } : read(option, text);
    if ("reason" in found) problems[option.key] = found.reason;
    else if (!same(found.value, own[option.key])) changes[option.key] = found.value;
  }
  return { changes, problems };
}

/** The options that a search finds, by label, key, flag and help. */
export function found(options: readonly Option[], text: string): readonly Option[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return options;
  return options.filter((option) => {
    const all = `${option.label} ${option.key} ${option.flag ?? ""} ${option.help}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
}
