import { expect, test } from "vitest";
import type { AppSetting } from "../../api/config";
import { asOption, sections, sourceOf } from "./settings";

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
  [{}, "Context", "tokens"],
  [{ setting: "models", kind: "texts" as const }, "Models folders", null],
  [{ setting: "start_stall" }, "Start may stall for", "s"],
  [{ setting: "kv_budget" }, "Disk for kept contexts", "bytes"],
  [{ setting: "queue" }, "Queue", null],
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

test("every setting has one place", () => {
  const names = ["log_level", "models", "something_new", "idle_stop", "slots"];
  const placed = sections(names.map((name) => setting({ setting: name })));
  expect(placed.map((section) => [section.title, section.settings.map((one) => one.setting)])).toEqual([
    ["Models and answers", ["models", "slots"]],
    ["Engines and memory", ["idle_stop"]],
    ["Log", ["log_level"]],
    ["Server", ["something_new"]],
  ]);
});
