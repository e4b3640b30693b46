import { ERRORS, type ErrorCode } from "../../api/errors";
import type { Tested } from "../../engine/keys/own";
import type { OwnProvider, ProviderKind } from "../../engine/keys/types";
import type { DeviceModel, DeviceUsage } from "../../engine/local/files";
import { bytes, duration, whole } from "../../ui/format";

/** The line below a model's name. */
export function facts(model: DeviceModel): string {
  const some = `${bytes(model.stored)} of ${bytes(model.bytes)}`;
  const all = bytes(model.bytes);
  switch (model.state) {
    case "downloading":
      if (model.checking) return "Checking what came";
      return [
        model.reason ?? "Downloading",
        some,
        model.rate ? `${bytes(model.rate)}/s` : null,
        model.secondsLeft !== undefined ? `${duration(model.secondsLeft)} left` : null,
      ]
        .filter(Boolean)
        .join(" · ");
    case "paused":
      return `Paused · ${some}`;
    case "failed":
      return `Stopped · ${some}`;
    case "ready":
      return [
        "On this device",
        model.outdated ? bytes(model.stored) : all,
        model.verified === "sha256" ? "checksum verified" : "size checked, checksum not known yet",
      ].join(" · ");
    default:
      return model.fits ? `${all} to download` : all;
  }
}

/** What a screen reader hears when a model's state changes. */
export function heard(model: DeviceModel): string {
  const words = {
    absent: "is not on this device",
    downloading: "is being downloaded",
    paused: "is paused",
    failed: `stopped. ${model.reason ?? ""}`,
    ready: "is on this device",
  };
  return `${model.name} ${words[model.state]}`;
}

/** What a failed download is asked for, by the step that the table of errors names. */
function again(code = ""): string {
  const { steps = [] } = Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode] : {};
  const words: Partial<Record<string, string>> = {
    download_again: "Fetch it again",
    new_version: "Fetch the new version",
  };
  return steps.map(({ strategy }) => words[strategy]).find(Boolean) ?? "Try again";
}

/** What is done by the main button of a model; null where nothing can be. */
export function mainAction(model: DeviceModel): { does: "download" | "pause"; label: string } | null {
  if (model.state === "downloading") return { does: "pause", label: "Pause" };
  if (!model.fits || !model.offered) return null;
  if (model.state === "ready") return model.outdated ? { does: "download", label: "Update" } : null;
  return { does: "download", label: { absent: "Download", paused: "Resume", failed: again(model.code) }[model.state] };
}

/** Whether there is anything of a model on this device. */
export const here = (model: DeviceModel) =>
  model.usable !== null || model.stored > 0 || model.state === "downloading" || model.state === "failed";

/** The parts of the bar of storage. */
export function room({ quota, used, models }: DeviceUsage) {
  const others = Math.max(0, used - models);
  return { models, others, free: Math.max(0, quota - models - others) };
}

/** The kinds of a person's own providers: what is filled in for each, and how it is called. */
export const KINDS: Readonly<Record<ProviderKind, { name: string; baseUrl: string; title: string }>> = {
  openai: { name: "OpenAI", baseUrl: "https://api.openai.com/v1", title: "OpenAI-compatible" },
  anthropic: { name: "Anthropic", baseUrl: "https://api.anthropic.com", title: "Anthropic" },
};

/** The line below such a provider's name. */
export const ownFacts = ({ kind, baseUrl, keyed }: OwnProvider): string =>
  [KINDS[kind].title, baseUrl.replace(/^https:\/\//, ""), keyed ? null : "without a key"].filter(Boolean).join(" · ");

/** What a test of one found. */
export const answered = ({ model, ms }: Tested): string =>
  `${model} answers: the first word came after ${whole(ms)} ms.`;

/** The names in a text with one in each line. */
export const lines = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

/** The same text with a name more, or without it. */
export function toggled(text: string, name: string): string {
  const names = lines(text);
  return (names.includes(name) ? names.filter((one) => one !== name) : [...names, name]).join("\n");
}
