import { expect, test } from "vitest";
import type { Option } from "../../api/models";
import { changesOf, found, range, read, told, written } from "./form";

const option = (change: Partial<Option>): Option => ({
  key: "ctxSize",
  group: "core",
  kind: "int",
  label: "Context",
  help: "Tokens that one conversation can hold.",
  default: null,
  flag: "--ctx-size",
  unit: "tokens",
  minimum: 128,
  maximum: 16_777_216,
  choices: [],
  multiline: false,
  advanced: false,
  restart: true,
  scopes: ["model", "server"],
  engines: ["embedded"],
  ...change,
});
const context = option({});
const heat = option({
  key: "temperature",
  kind: "float",
  label: "Temperature",
  flag: "--temp",
  minimum: 0,
  maximum: 5,
});
const scales = option({ key: "loraScales", kind: "floats", minimum: -10, maximum: 10 });
const stops = option({ key: "reversePrompt", kind: "texts", minimum: null, maximum: null });
const extra = option({ key: "chatTemplateKwargs", kind: "json" });
const budget = option({ key: "memoryBudget", unit: "bytes", minimum: 1_000_000, maximum: null });
const pinned = option({ key: "pinned", kind: "bool", label: "Keep loaded", flag: null });

test.each([
  [context, "", { value: null }],
  [context, " 4096 ", { value: 4096 }],
  [context, "4096.5", { reason: "Must be a whole number." }],
  [context, "many", { reason: "Must be a number." }],
  [context, "12", { reason: "Must be 128 to 16,777,216." }],
  [context, "1e999", { reason: "Must be a number." }],
  [heat, "0.7", { value: 0.7 }],
  [heat, "5.1", { reason: "Must be 0 to 5." }],
  [scales, "0.5, 1  2", { value: [0.5, 1, 2] }],
  [scales, "0.5, 11", { reason: "Each must be -10 to 10." }],
  [stops, " a b \n\n--help", { value: ["a b", "--help"] }],
  [extra, '{"a": [1]}', { value: { a: [1] } }],
  [extra, "{", { reason: "Must be JSON." }],
  [budget, "12 GB", { value: 12e9 }],
  [budget, "1.5GiB", { value: 1_610_612_736 }],
  [budget, "2000000", { value: 2e6 }],
  [budget, "1 kB", { reason: "Must be at least 1.0 MB." }],
  [budget, "12 parsecs", { reason: "Must be a number." }],
  [pinned, "true", { value: true }],
  [pinned, "false", { value: false }],
])("%# %s", (one, text, result) => expect(read(one, text)).toEqual(result));

test.each([
  [context, 4096],
  [heat, 0.25],
  [scales, [0.5, 1]],
  [stops, ["a b", "c"]],
  [extra, { a: [1, "x"] }],
  [pinned, false],
])("%# what is written can be read", (one, value) => expect(read(one, written(one, value))).toEqual({ value }));

test("only what differs from the own values is a change", () => {
  const options = [context, heat, stops, extra, pinned];
  const own = { ctxSize: 4096, temperature: 0.7, reversePrompt: ["a"], pinned: null };
  const edits = { ctxSize: "8192", temperature: "0.70", reversePrompt: null, pinned: "", chatTemplateKwargs: "{" };
  expect(changesOf(options, own, edits)).toEqual({
    changes: { ctxSize: 8192, reversePrompt: null },
    problems: { chatTemplateKwargs: "Must be JSON." },
  });
});

test("values are told with their units", () => {
  expect(told(context, 32_768)).toBe("32,768 tokens");
  expect(told(budget, 12e9)).toBe("12.0 GB");
  expect(told(context, null)).toBe("not set");
  expect(told(pinned, true)).toBe("on");
  expect(told(stops, ["x".repeat(100)]).length).toBe(80);
  expect(range(context)).toBe("128 to 16,777,216");
  expect(range(pinned)).toBe("");
});

test("options are found by any of their words", () => {
  const all = [context, heat, pinned];
  expect(found(all, "--temp")).toEqual([heat]);
  expect(found(all, "ctx conversation")).toEqual([context]);
  expect(found(all, " ")).toBe(all);
  expect(found(all, "nothing")).toEqual([]);
});
