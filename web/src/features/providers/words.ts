import type { Abilities, Kind, Prices, Provider } from "../../api/providers";
import { dollars } from "../../ui/format";

const counted = (count: number, word: string) => `${count} ${count === 1 ? word : `${word}s`}`;

/** What is read and written costs, in a few words. */
export function priceWords(prices: Prices | null | undefined): string {
  if (!prices || (prices.input === null && prices.output === null)) return "";
  return `${dollars(prices.input) || "?"} in, ${dollars(prices.output) || "?"} out`;
}

export const ABILITIES: readonly { key: keyof Abilities; label: string; help: string }[] = [
  { key: "tools", label: "Tools", help: "Calls tools." },
  { key: "images", label: "Images", help: "Reads images." },
  { key: "audio", label: "Audio", help: "Reads sound." },
  { key: "files", label: "Files", help: "Reads documents." },
  { key: "jsonSchema", label: "JSON schema", help: "Keeps to a schema by itself." },
  { key: "reasoning", label: "Reasoning", help: "Thinks before it answers." },
  { key: "prefill", label: "Prefill", help: "Goes on with the beginning of an answer." },
];

/** What a model can do for sure, in words. */
export function abilityWords(abilities: Abilities | null | undefined): string {
  return ABILITIES.filter(({ key }) => abilities?.[key] === true)
    .map(({ label }) => label.toLowerCase())
    .join(", ");
}

/** What there is to know of a provider at a glance. */
export function facts(provider: Provider): string {
  const { keys, models, routes } = provider;
  return [
    provider.address ? provider.address.replace(/^https?:\/\//, "") : null,
    keys.length > 0 ? counted(keys.length, "key") : null,
    models.length > 0 ? counted(models.length, "model") : null,
    routes.length > 0 ? `used by ${counted(routes.length, "route")}` : null,
  ]
    .filter(Boolean)
    .join(" · ");
}

/** The state of a provider as a mark and a word. */
export function stateOf(provider: Provider): { mark: string; word: string } {
  if (!provider.enabled) return { mark: "stopped", word: "Off" };
  if (provider.problem) return { mark: "failed", word: "Cannot be used" };
  if (provider.health.state === "ok") return { mark: "ready", word: "Works" };
  if (provider.health.state === "failed") return { mark: "failed", word: "Test failed" };
  return { mark: "stopped", word: "Not tested" };
}

/** A name for a new provider that none has yet. */
export function freeName(kind: Kind, taken: readonly string[]): string {
  const base = (kind.vendor ?? kind.kind).toLowerCase().replace(/[^a-z0-9._-]+/g, "-");
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? base : `${base}-${number}`;
    if (!taken.includes(name) && name !== "local") return name;
  }
}

/** Headers as lines of `Name: value`. */
export function headerLines(headers: Readonly<Record<string, string>>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}`)
    .join("\n");
}

/** Headers from their lines; null while a line is none. */
export function headersFrom(lines: string): Record<string, string> | null {
  const found: Record<string, string> = {};
  for (const line of lines.split("\n")) {
    if (line.trim() === "") continue;
    const colon = line.indexOf(":");
    if (colon <= 0) return null;
    found[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
  }
  return found;
}
