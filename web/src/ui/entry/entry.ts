import { Refused } from "../../engine/connection";

export type Reasons = Readonly<Record<string, string>>;

/** What another person made of a field, and what it is here. */
export interface Difference {
  field: string;
  yours: unknown;
  now: unknown;
}

/** Whether two values of JSON say the same. */
export function same(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  const keys = Object.keys(one);
  if (Array.isArray(one) !== Array.isArray(other) || keys.length !== Object.keys(other).length) return false;
  return keys.every((key) => key in other && same(one[key as never], other[key as never]));
}

/** The edits that differ from what they were begun on. */
export function changesOf<T extends object>(base: T, edits: Partial<T>): Partial<T> {
  const changed = Object.entries(edits).filter(([key, value]) => !same(value, base[key as keyof T]));
  return Object.fromEntries(changed) as Partial<T>;
}

/** Whether something that was typed could not be read: then it is no number. */
export function unreadable(value: unknown): boolean {
  if (typeof value === "number") return Number.isNaN(value);
  return typeof value === "object" && value !== null && Object.values(value).some(unreadable);
}

/** The reasons of a refusal, by field. */
export function reasonsOf(error: unknown): Reasons {
  if (!(error instanceof Refused)) return {};
  const { fields, field } = error.details;
  if (typeof fields === "object" && fields !== null) return fields as Reasons;
  return typeof field === "string" ? { [field]: error.message } : {};
}

const snake = (path: string) => path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The reason for `path` or something within it; the server may write names in either form. */
export function reasonFor(reasons: Reasons, path: string): string | undefined {
  for (const name of [path, snake(path)]) {
    const exact = reasons[name];
    if (exact !== undefined) return exact;
    const inner = Object.entries(reasons).find(([key]) => key.startsWith(`${name}.`));
    if (inner) return `${inner[0].slice(name.length + 1)}: ${inner[1]}`;
  }
  return undefined;
}

/** What somebody else saved meanwhile, null when that is not why it was refused. */
export function conflictOf(error: unknown): readonly Difference[] | null {
  if (!(error instanceof Refused) || error.code !== "conflict") return null;
  const { diff } = error.details;
  if (typeof diff !== "object" || diff === null) return null;
  const found = diff as Record<string, { yours: unknown; now: unknown }>;
  return Object.entries(found).map(([field, { yours, now }]) => ({ field, yours, now }));
}

/** A value in a few words, for a table of differences. */
export function shown(value: unknown): string {
  if (value === null || value === undefined || value === "") return "not set";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
