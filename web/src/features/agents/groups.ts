import type { Agent } from "../../api/types";

const DAY = 86_400_000;

/** Conversations by the age of their last change, newest first; empty groups are left out. */
export function timeGroups(agents: readonly Agent[], now: Date): { label: string; agents: Agent[] }[] {
  const today = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const groups = [
    { label: "Today", from: today },
    { label: "Yesterday", from: today - DAY },
    { label: "Last 7 days", from: today - 7 * DAY },
    { label: "Last 30 days", from: today - 30 * DAY },
    { label: "Older", from: Number.NEGATIVE_INFINITY },
  ].map((group) => ({ ...group, agents: [] as Agent[] }));
  const sorted = [...agents].sort((a, b) => b.updatedAt.localeCompare(a.updatedAt));
  for (const agent of sorted) groups.find((group) => Date.parse(agent.updatedAt) >= group.from)?.agents.push(agent);
  return groups
    .filter((group) => group.agents.length > 0)
    .map(({ label, agents: found }) => ({ label, agents: found }));
}
