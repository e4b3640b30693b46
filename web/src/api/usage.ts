import { call } from "./client";

export const GROUPS = ["model", "provider", "route", "key", "user"] as const;
export type Group = (typeof GROUPS)[number];

/** Sums of requests; times are means in milliseconds, the cost in US dollars. */
export interface UsageRow {
  provider?: string | null;
  model?: string | null;
  route?: string | null;
  keyId?: string | null;
  userId?: string | null;
  requests: number;
  failed: number;
  cancelled: number;
  fromCache: number;
  promptTokens: number;
  completionTokens: number;
  cachedTokens: number;
  reasoningTokens: number;
  /** Requests whose price is not known. */
  unpriced: number;
  cost: number;
  firstContentMs: number | null;
  durationMs: number | null;
}

export interface Usage {
  from: string;
  to: string;
  rows: readonly UsageRow[];
  /** Whether there are more rows than these. */
  more: boolean;
}

/** What was used in the last `hours`, by `group`, the most requests first. */
export function listUsage(hours: number, group: Group): Promise<Usage> {
  const from = new Date(Date.now() - hours * 3_600_000).toISOString();
  return call<Usage>("GET", `/api/usage?${new URLSearchParams({ from, by: group })}`);
}
