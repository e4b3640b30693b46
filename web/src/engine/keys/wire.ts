/** What the protocols of providers have in common. */
import type { Frame } from "../frames";
import type { LocalMessage, LocalSampling } from "../local/types";

export interface Chat {
  model: string;
  messages: readonly LocalMessage[];
  sampling: LocalSampling;
}

/** A request as it goes out, below the provider's address. */
export interface Outgoing {
  method: "GET" | "POST";
  path: string;
  headers: Record<string, string>;
  body?: Record<string, unknown>;
}

/** What a frame of an answer says. */
export interface Piece {
  text?: string;
  /** Something was said that is not shown: thinking. */
  thought?: boolean;
  stop?: "stop" | "length" | "refused";
  promptTokens?: number;
  tokens?: number;
  /** The provider's own mark that all is said. */
  done?: boolean;
  fault?: Fault;
}

/** An error as a provider tells it. */
export interface Fault {
  /** Its own word for it. */
  kind: string;
  message: string;
}

export interface Wire {
  chat(asked: Chat, key: string): Outgoing;
  models(key: string): Outgoing;
  /** Reads a frame; null for one that is not of the protocol. */
  read(frame: Frame): Piece | null;
  /** The names in a list of models; null for what is none. */
  list(body: unknown): string[] | null;
}

export type Fields = Record<string, unknown>;

export const fields = (value: unknown): Fields | null =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;

export const text = (value: unknown): string => (typeof value === "string" ? value : "");

export const count = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) && value >= 0 ? Math.round(value) : undefined;

/** The object of a text of JSON; null for anything else. */
export function parsed(data: string): Fields | null {
  try {
    return fields(JSON.parse(data));
  } catch {
    return null;
  }
}

/** The error in a body, in the form that either protocol has; null where there is none. */
export function faultOf(body: Fields): Fault | null {
  const { error } = body;
  if (error === undefined || error === null) return null;
  const told = fields(error);
  if (!told) return { kind: "", message: text(error) };
  return { kind: text(told.code) || text(told.type), message: text(told.message) };
}

/** The names of `data: [{id}, …]`. */
export function idsOf(body: unknown): string[] | null {
  const rows = Array.isArray(body) ? body : fields(body)?.data;
  if (!Array.isArray(rows)) return null;
  return rows.map((row) => text(fields(row)?.id)).filter(Boolean);
}
