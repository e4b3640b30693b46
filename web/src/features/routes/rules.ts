import type { Rules } from "../../api/routes";

export const RULES = ["default", "set", "clamp", "remove"] as const;
export type Rule = (typeof RULES)[number];

/** What each rule does, for a choice. */
export const RULE_WORDS: Readonly<Record<Rule, string>> = {
  default: "if the client says nothing",
  set: "always",
  clamp: "at least, at most",
  remove: "is left out",
};

/** The parameters that mean the same in every dialect. */
export const PARAMETERS = [
  "max_tokens",
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "seed",
  "stop",
  "presence_penalty",
  "frequency_penalty",
  "repeat_penalty",
  "thinking",
  "tools",
  "tool_choice",
  "parallel_tools",
  "format",
  "choices",
  "logprobs",
  "logit_bias",
  "user",
  "metadata",
] as const;

/** One rule as it is typed: `value` for set and default, `low` and `high` for clamp. */
export interface RuleRow {
  name: string;
  rule: Rule;
  value: string;
  low: string;
  high: string;
}

const row = (name: string, rule: Rule, part: Partial<RuleRow> = {}): RuleRow => ({
  name,
  rule,
  value: "",
  low: "",
  high: "",
  ...part,
});
const asText = (value: unknown) => {
  // A text that would be read as something else keeps its quotes.
  if (typeof value === "string" && readValue(value) === value) return value;
  return JSON.stringify(value);
};
const asBound = (value: number | null) => (value === null ? "" : String(value));

/** The rules as rows, in the order in which they count: those that stand in for the client first. */
export function rowsOf(rules: Rules): RuleRow[] {
  return [
    ...Object.entries(rules.default).map(([name, value]) => row(name, "default", { value: asText(value) })),
    ...Object.entries(rules.set).map(([name, value]) => row(name, "set", { value: asText(value) })),
    ...Object.entries(rules.clamp).map(([name, [low, high]]) =>
      row(name, "clamp", { low: asBound(low), high: asBound(high) }),
    ),
    ...rules.remove.map((name) => row(name, "remove")),
  ];
}

/** A typed value: JSON where it is, else the text itself; undefined for JSON that is broken. */
function readValue(text: string): unknown {
  const plain = text.trim();
  try {
    return JSON.parse(plain);
  } catch {
    return /^["[{]/.test(plain) ? undefined : plain;
  }
}

function readBound(text: string): number | null | undefined {
  if (text.trim() === "") return null;
  const value = Number(text.trim().replace(",", "."));
  return Number.isFinite(value) ? value : undefined;
}

/** What is wrong with a row, null when nothing is. */
export function faultOf(one: RuleRow, all: readonly RuleRow[]): string | null {
  if (one.name.trim() === "") return "Which parameter?";
  const twin = all.some((other) => other !== one && other.rule === one.rule && other.name.trim() === one.name.trim());
  if (twin) return "It has this rule already.";
  if (one.rule === "set" || one.rule === "default") {
    if (one.value.trim() === "") return "Which value?";
    return readValue(one.value) === undefined ? "Not JSON." : null;
  }
  if (one.rule !== "clamp") return null;
  const low = readBound(one.low);
  const high = readBound(one.high);
  if (low === undefined || high === undefined) return "Not a number.";
  if (low === null && high === null) return "Which bounds?";
  return low !== null && high !== null && low > high ? "The lower bound is above the upper one." : null;
}

/** The rules that rows say, null while one of them is wrong. */
export function rulesOf(rows: readonly RuleRow[]): Rules | null {
  if (rows.some((one) => faultOf(one, rows) !== null)) return null;
  const of = (rule: Rule) => rows.filter((one) => one.rule === rule);
  const values = (rule: Rule) => Object.fromEntries(of(rule).map((one) => [one.name.trim(), readValue(one.value)]));
  return {
    set: values("set"),
    default: values("default"),
    remove: of("remove").map(({ name }) => name.trim()),
    clamp: Object.fromEntries(
      of("clamp").map((one) => [one.name.trim(), [readBound(one.low) ?? null, readBound(one.high) ?? null] as const]),
    ),
  };
}
