import { expect, test } from "vitest";
import type { AppSetting } from "../../api/config";
import { asOption, sourceOf } from "./settings";

const setting = (change: Partial<AppSetting>): AppSetting => ({
  name: "contextLength",
  setting: "context_length",
  value: 4096,
  running: 4096,
  default: 4096,
  source: "default",
  help: "Context per slot.",
  kind: "int",
  choices: [],
  restart: false,
  pending: false,
  editable: true,
  reason: null,
  ...change,
});

test.each([
  [{}, "Context length", "tokens"],
  [{ setting: "models", kind: "texts" as const }, "Models folders", null],
  [{ setting: "start_stall" }, "Start stall", "s"],
])("%j is called %s", (change, label, unit) => {
  const option = asOption(setting(change));
  expect([option.label, option.unit]).toEqual([label, unit]);
});

test.each([
  ["default", "the default"],
  ["flag", "the command line"],
  ["PORT", "the environment (PORT)"],
  ["/data/corral.toml", "corral.toml"],
])("the source %s is %s", (source, words) => expect(sourceOf(setting({ source }))).toBe(words));
