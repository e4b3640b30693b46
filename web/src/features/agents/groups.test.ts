import { expect, it } from "vitest";
import type { Agent } from "../../api/types";
import { timeGroups } from "./groups";

const now = new Date(2026, 4, 20, 12);
const agent = (id: string, updated: Date) => ({ id, updatedAt: updated.toISOString() }) as Agent;

it("groups by age, newest first, and leaves empty groups out", () => {
  const groups = timeGroups(
    [
      agent("old", new Date(2025, 0, 1)),
      agent("morning", new Date(2026, 4, 20, 0, 0, 1)),
      agent("night", new Date(2026, 4, 19, 23, 59)),
      agent("noon", new Date(2026, 4, 20, 11)),
      agent("week", new Date(2026, 4, 14)),
    ],
    now,
  );
  expect(groups.map((group) => [group.label, group.agents.map((one) => one.id)])).toEqual([
    ["Today", ["noon", "morning"]],
    ["Yesterday", ["night"]],
    ["Last 7 days", ["week"]],
    ["Older", ["old"]],
  ]);
});

it("puts a clock that is ahead under today", () => {
  expect(timeGroups([agent("ahead", new Date(2026, 4, 21))], now)[0]?.label).toBe("Today");
});
