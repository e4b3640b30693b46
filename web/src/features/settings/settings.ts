import type { AppSetting } from "../../api/config";
import type { Option } from "../../api/models";

const NAMES: Record<string, string> = {
  models: "Models folders",
  data: "Data folder",
  allowed_hosts: "Further host names",
  context_length: "Context",
  max_answer_tokens: "Longest answer",
  memory_budget: "Memory of all engines",
  idle_sleep: "Sleep after",
  idle_stop: "Stop after",
  min_residency: "Stay loaded for",
  max_wait: "Longest wait",
  kv_budget: "Disk for kept contexts",
  start_stall: "Start may stall for",
  stop_grace: "Time to finish",
  log_levels: "Levels of single sources",
  log_json: "Log as JSON",
  log_days: "Days of log",
  log_max_bytes: "Largest log",
  max_body_bytes: "Largest request",
  device_max_bytes: "Largest model for browsers",
  hub_endpoint: "Address of the hub",
  cache_store: "Keep answers in",
  cache_bytes: "Room for kept answers",
  cache_ttl: "Keep an answer for",
  usage_days: "Days of usage",
};
const UNITS: Record<string, string> = {
  max_answer_tokens: "tokens",
  context_length: "tokens",
  log_days: "days",
  usage_days: "days",
};
const SECONDS = /^(start_stall|stop_grace|idle_sleep|idle_stop|min_residency|max_wait|cache_ttl)$/;
const BYTES = /_(bytes|budget)$/;

function unit(name: string): string | null {
  if (SECONDS.test(name)) return "s";
  return BYTES.test(name) ? "bytes" : (UNITS[name] ?? null);
}

/** The sections of the page: a title and the settings in it; what is in none comes under the last. */
export const SECTIONS: readonly { title: string; names: readonly string[] }[] = [
  {
    title: "Models and answers",
    names: ["models", "default_model", "system_prompt", "context_length", "slots", "max_answer_tokens"],
  },
  {
    title: "Engines and memory",
    names: [
      "memory_budget",
      "idle_sleep",
      "idle_stop",
      "min_residency",
      "max_wait",
      "queue",
      "kv_budget",
      "start_stall",
      "stop_grace",
    ],
  },
  { title: "Kept answers and usage", names: ["cache_bytes", "cache_ttl", "cache_store", "usage_days"] },
  { title: "Log", names: ["log_level", "log_levels", "log_days", "log_max_bytes", "log_json"] },
  { title: "Server", names: [] },
];

/** The settings of each section, in its order. */
export function sections(settings: readonly AppSetting[]) {
  const placed = new Set(SECTIONS.flatMap((section) => section.names));
  return SECTIONS.map(({ title, names }) => ({
    title,
    settings:
      names.length > 0
        ? names.flatMap((name) => settings.filter((one) => one.setting === name))
        : settings.filter((one) => !placed.has(one.setting)),
  })).filter((section) => section.settings.length > 0);
}

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
    unit: unit(setting.setting),
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
