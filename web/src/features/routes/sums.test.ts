import { expect, test } from "vitest";
import type { UsageRow } from "../../api/usage";
import { costWords, totals, usageName } from "./sums";

const ROW: UsageRow = {
  requests: 4,
  failed: 0,
  cancelled: 0,
  fromCache: 1,
  promptTokens: 10,
  completionTokens: 20,
  cachedTokens: 0,
  reasoningTokens: 0,
  unpriced: 0,
  cost: 0.5,
  firstContentMs: null,
  durationMs: null,
};

test("rows are named by what they are sums of", () => {
  expect(usageName({ ...ROW, provider: "a", model: "x/y" }, "model")).toBe("a/x/y");
  expect(usageName({ ...ROW, provider: null, model: null }, "model")).toBe("nobody was asked");
  expect(usageName({ ...ROW, route: "" }, "route")).toBe("no route");
  expect(usageName({ ...ROW, userId: "local" }, "user")).toBe("local");
});

test("a cost says when prices are missing", () => {
  expect(costWords(ROW)).toBe("$0.50");
  expect(costWords({ ...ROW, unpriced: 1 })).toBe("≥ $0.50");
  expect(costWords({ ...ROW, cost: 0, unpriced: 4 })).toBe("");
  expect(costWords({ ...ROW, cost: 0 })).toBe("$0");
});

test("rows are added up", () => {
  expect(totals([ROW, ROW])).toEqual({
    requests: 8,
    promptTokens: 20,
    completionTokens: 40,
    fromCache: 2,
    unpriced: 0,
    cost: 1,
  });
  expect(totals([]).requests).toBe(0);
});
