import type { Message } from "../../api/types";
import { viewOf } from "./answering";
import type { JournalTurn } from "./journal";
import type { LocalMessage } from "./types";

/**
 * The messages of a conversation as this device knows them: the server's, then the turns that wait for it. A turn that the server
 * shows too is shown once: from here when this page answers it (`mine`), else from there.
 */
export function together(
  messages: readonly Message[],
  turns: readonly JournalTurn[],
  mine: (key: string) => boolean,
): Message[] {
  const there = new Set(messages.map((message) => message.turnId));
  const shown = turns.filter((turn) => mine(turn.key) || turn.turnId === undefined || !there.has(turn.turnId));
  const here = new Set(shown.map((turn) => turn.turnId).filter((turnId) => turnId !== undefined));
  const all = messages.filter((message) => message.turnId === null || !here.has(message.turnId));
  let seq = all.at(-1)?.seq ?? 1;
  for (const turn of shown) {
    const common = { turnId: viewOf(turn.key), createdAt: new Date(turn.createdAt).toISOString() };
    const question = { ...common, id: `${turn.key}-u`, seq: ++seq, role: "user", content: turn.message };
    const answer = { ...common, id: `${turn.key}-a`, seq: ++seq, role: "assistant", content: turn.answer };
    const facts = { place: "device" as const, model: turn.model, stats: turn.stats };
    all.push({ ...question, state: "completed" }, { ...answer, ...facts, state: turn.state });
  }
  return all;
}

/** What a model is told of the messages up to a seq. */
export function historyOf(messages: readonly Message[], upTo: number): LocalMessage[] {
  return messages.filter((message) => message.seq <= upTo && message.content !== "" && isRole(message)).map(spoken);
}

type Role = LocalMessage["role"];
const ROLES: readonly string[] = ["system", "user", "assistant"];
const isRole = (message: Message) => ROLES.includes(message.role);
const spoken = ({ role, content }: Message): LocalMessage => ({ role: role as Role, content });
