import type { AppSetting } from "../../api/config";
import type { Option } from "../../api/models";

const NAMES: Record<string, string> = {
  models: "Models folders",
  max_body_bytes: "Largest request",
  log_json: "Log as JSON",
  url: "URL",
};
const UNITS: Record<string, string> = {
  max_body_bytes: "bytes",
  max_answer_tokens: "tokens",
  context_length: "tokens",
};
const SECONDS = /(_stall|_grace|_idle|_residency|_wait|_seconds|idle_sleep|idle_stop)$/;

/** A setting of the server as a field of a form. */
export function asOption(setting: AppSetting): Option {
  const words = setting.setting.replaceAll("_", " ");
  return {
    key: setting.name,
    group: "app",
    kind: setting.kind,
    label: NAMES[setting.setting] ?? words.charAt(0).toUpperCase() + words.slice(1),
    help: setting.help,
    default: setting.default,
    flag: null,
    unit: UNITS[setting.setting] ?? (SECONDS.test(setting.setting) ? "s" : null),
    minimum: setting.minimum ?? null,
    maximum: setting.maximum ?? null,
    choices: setting.choices,
    multiline: setting.setting === "system_prompt",
    advanced: false,
    restart: setting.restart,
    scopes: [],
    engines: ["embedded"],
  };
}

/** Where the value of a setting comes from, in words. */
export function sourceOf({ source }: AppSetting): string {
  if (source === "default") return "the default";
  if (source === "flag") return "the command line";
  return /[/\\]|\.toml$/.test(source) ? "corral.toml" : `the environment (${source})`;
}
