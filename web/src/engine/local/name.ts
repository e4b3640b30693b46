import { randomKey } from "../ids";

const SHELF = "corral.device.v1";
const BROWSERS: readonly (readonly [string, RegExp])[] = [
  ["Edge", /Edg\//],
  ["Firefox", /Firefox\//],
  ["Chrome", /Chrome\/|CriOS\//],
  ["Safari", /Safari\//],
];
const SYSTEMS: readonly (readonly [string, RegExp])[] = [
  ["Android", /Android/],
  ["iOS", /iPhone|iPad|iPod/],
  ["Windows", /Windows/],
  ["macOS", /Mac OS/],
  ["Linux", /Linux/],
];

const first = (names: readonly (readonly [string, RegExp])[], agent: string) =>
  names.find(([, mark]) => mark.test(agent))?.[0];

/** What this browser is called beside its answers; four random characters tell it from others of its kind. */
export function deviceName(shelf: Pick<Storage, "getItem" | "setItem">, agent: string): string {
  const known = shelf.getItem(SHELF);
  if (known) return known.slice(0, 64);
  const name = `${first(BROWSERS, agent) ?? "Browser"} on ${first(SYSTEMS, agent) ?? "a device"} #${randomKey().slice(0, 4)}`;
  shelf.setItem(SHELF, name);
  return name;
}
