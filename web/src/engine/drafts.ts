import type { Shelf } from "./outbox";

const SHELF = "corral.drafts.v1";
export type Drafts = Record<string, string>;

/** The unsent texts by conversation, as they were left. */
export function readDrafts(shelf: Shelf): Drafts {
  try {
    const found: unknown = JSON.parse(shelf.getItem(SHELF) ?? "{}");
    if (typeof found !== "object" || found === null) return {};
    return Object.fromEntries(Object.entries(found).filter((entry) => typeof entry[1] === "string"));
  } catch {
    return {};
  }
}

/** Keeps what is written over a reload; the others that another tab has kept stay, `changed` are ours. */
export function keepDrafts(shelf: Shelf, drafts: Drafts, changed: Iterable<string>): void {
  const kept = readDrafts(shelf);
  for (const place of changed) {
    if (drafts[place]) kept[place] = drafts[place];
    else delete kept[place];
  }
  shelf.setItem(SHELF, JSON.stringify(kept));
}
