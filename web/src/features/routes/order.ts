import type { Candidate } from "../../api/routes";

/** The list with the entry at `from` moved to `to`; a place beyond an end is that end. */
export function moved<T>(list: readonly T[], from: number, to: number): readonly T[] {
  const place = Math.max(0, Math.min(to, list.length - 1));
  const entry = list[from];
  if (entry === undefined || place === from) return list;
  return list.toSpliced(from, 1).toSpliced(place, 0, entry);
}

/** Where an entry belongs that is held at height `y`, among rows with these middles: after all whose middle is above. */
export function placeAt(middles: readonly number[], from: number, y: number): number {
  return middles.filter((middle, at) => at !== from && middle < y).length;
}

/** What tells candidates apart, also the same one written twice. */
export function keysOf(candidates: readonly Candidate[]): string[] {
  const seen = new Map<string, number>();
  return candidates.map(({ provider, model }) => {
    const name = `${provider}/${model}`;
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    return `${name}#${count}`;
  });
}
