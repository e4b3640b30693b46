import type { Group, UsageRow } from "../../api/usage";
import { dollars } from "../../ui/format";

type Sums = Pick<UsageRow, "requests" | "promptTokens" | "completionTokens" | "fromCache" | "unpriced" | "cost">;

/** What a row of sums is about. */
export function usageName(row: UsageRow, group: Group): string {
  if (group === "model") return row.model ? `${row.provider ?? "?"}/${row.model}` : "nobody was asked";
  if (group === "provider") return row.provider ?? "nobody was asked";
  if (group === "route") return row.route || "no route";
  if (group === "key") return row.keyId || "no key";
  return row.userId || "nobody";
}

/** The cost of sums: nothing where no price is known, at least so much where some are not. */
export function costWords({ cost, unpriced, requests }: Pick<Sums, "cost" | "unpriced" | "requests">): string {
  if (cost === 0) return unpriced >= requests ? "" : "$0";
  return `${unpriced > 0 ? "≥ " : ""}${dollars(cost)}`;
}

/** The sums of all rows. */
export function totals(rows: readonly UsageRow[]): Sums {
  const none: Sums = { requests: 0, promptTokens: 0, completionTokens: 0, fromCache: 0, unpriced: 0, cost: 0 };
  return rows.reduce<Sums>(
    (sum, row) => ({
      requests: sum.requests + row.requests,
      promptTokens: sum.promptTokens + row.promptTokens,
      completionTokens: sum.completionTokens + row.completionTokens,
      fromCache: sum.fromCache + row.fromCache,
      unpriced: sum.unpriced + row.unpriced,
      cost: sum.cost + row.cost,
    }),
    none,
  );
}
