import type { Shelf } from "./outbox";

/** Conversations that answer out of sight, and those whose answer has not been looked at. */
export interface Unread {
  pending: readonly string[];
  unread: readonly string[];
}

interface Known {
  id: string;
  state: string;
}

/** `before` after the list shows `agents` while `current` is on the screen. */
export function markUnread(before: Unread, agents: readonly Known[], current: string | null): Unread {
  const ids = new Set(agents.map((agent) => agent.id));
  const working = new Set(agents.filter((agent) => agent.state !== "idle").map((agent) => agent.id));
  const done = before.pending.filter((id) => !working.has(id));
  const unread = new Set([...before.unread, ...done].filter((id) => ids.has(id) && id !== current));
  const pending = [...working].filter((id) => id !== current);
  return { pending, unread: [...unread] };
}

const SHELF = "corral.unread.v1";

/** What was kept. */
export function readUnread(shelf: Shelf): Unread {
  try {
    const found = JSON.parse(shelf.getItem(SHELF) ?? "") as Partial<Unread>;
    if (Array.isArray(found.pending) && Array.isArray(found.unread))
      return { pending: found.pending, unread: found.unread };
  } catch {
    // Nothing was kept, or nothing that can be read.
  }
  return { pending: [], unread: [] };
}

/** Keeps it over a reload. */
export function keepUnread(shelf: Shelf, unread: Unread): void {
  shelf.setItem(SHELF, JSON.stringify(unread));
}
