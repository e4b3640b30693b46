import { changeAgent, listMessages } from "../api/client";
import { tellSpans } from "../api/debug";
import type { Agent, Message } from "../api/types";
import { Refused } from "../engine/connection";
import { SERVERLESS } from "../engine/edition";
import { isOwn } from "../engine/keys/ids";
import { LocalTurns } from "../engine/local/answering";
import { isLocal, Journal, type JournalHead } from "../engine/local/journal";
import { IndexedJournal } from "../engine/local/journal-store";
import { deviceName } from "../engine/local/name";
import { type Brought, type Server, Syncer } from "../engine/local/syncing";
import { historyOf } from "../engine/local/together";
import { moveSampling } from "../features/chat/samplings";
import { device } from "./device";
import { beforeSending, connection, queries, reports } from "./services";

const SHOWN_WITHIN = 3_000;
const KEEP_AFTER = 1_000;

const tabs = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("corral.journal");
export const thisDevice = deviceName(localStorage, navigator.userAgent);
export const journal = new Journal(new IndexedJournal(), tabs);

const server: Server = {
  ready: () => connection.connected,
  bring: (bringing) => connection.request<Brought>("device:turns", bringing),
  refused: (error) => {
    if (!(error instanceof Refused)) return null;
    const { field, reason } = error.details;
    const text = (value: unknown) => (typeof value === "string" ? value : null);
    return { code: error.code, message: error.message, field: text(field), reason: text(reason) };
  },
};

/** Puts what is known of a conversation of the server on disk here. */
async function keepNow(id: string): Promise<void> {
  const messages = queries.getQueryData<Message[]>(["messages", id]);
  const agent = queries.getQueryData<Agent[]>(["agents"])?.find((one) => one.id === id);
  if (!messages) return;
  // Without storage the server has it all the same.
  await journal.keep({ id, title: agent?.title ?? "", model: agent?.model ?? null }, messages).catch(() => undefined);
}

/**
 * Reads a conversation of the server anew, so that what was just brought is shown from there; it is on disk before its turns are
 * forgotten here, or a page that is opened without the server in this moment would show less than it has shown.
 */
async function shown(agentId: string): Promise<void> {
  const fetched = queries.fetchQuery({
    queryKey: ["messages", agentId],
    queryFn: () => listMessages(agentId),
    staleTime: 0,
  });
  const read = fetched.then(() => keepNow(agentId));
  void queries.invalidateQueries({ queryKey: ["agents"] });
  await Promise.race([read.catch(() => undefined), new Promise((resolve) => setTimeout(resolve, SHOWN_WITHIN))]);
}

/** A conversation of this device is on the server: what was set for it goes there too. */
async function arrived(from: string, { agentId }: Brought): Promise<void> {
  const sampling = moveSampling(from, null);
  if (sampling) await changeAgent(agentId, { sampling }).catch(() => undefined);
  await shown(agentId);
}

const syncer = new Syncer(journal, server, thisDevice, navigator.locks, arrived);

export const localTurns = new LocalTurns({
  journal,
  syncer,
  server,
  engine: async (model) => (isOwn(model) ? (await device.own()).engine : device.engine()),
  locks: navigator.locks,
  refresh: async (conversation) => {
    const messages = await listMessages(conversation).catch(() => null);
    if (!messages) return null;
    queries.setQueryData(["messages", conversation], messages);
    const after = messages.at(-1)?.seq ?? 1;
    return { after, history: historyOf(messages, after) };
  },
  made: arrived,
  ended: (told) => {
    if (SERVERLESS) return;
    if (told.code) reports.note(told.code, "answer on this device", { requestId: told.key });
    void import("../engine/local/spans").then(({ spansOf }) => tellSpans(spansOf(told))).catch(() => undefined);
  },
});

const asAgent = ({ id, title, model, lastSeq, touched }: JournalHead): Agent => {
  const at = new Date(touched).toISOString();
  return { id, title: title || "New chat", model, messageCount: lastSeq, state: "idle", createdAt: at, updatedAt: at };
};

let listed: { heads: readonly JournalHead[]; agents: readonly Agent[] } | null = null;

/** The conversations that are on this device alone, until they are synced. */
export function localAgents(): readonly Agent[] {
  const heads = journal.heads();
  if (listed?.heads !== heads) {
    const mine = heads.filter((head) => isLocal(head.id) && !head.forked);
    listed = { heads, agents: mine.map(asAgent) };
  }
  return listed.agents;
}

/** Changes the conversations that stay on this device. */
export const ownChats = {
  rename: (id: string, title: string) => journal.rename(id, title),
  remove: async (id: string) => {
    const discarded = await journal.discard(id);
    if (!discarded) throw new Error("It is being answered; stop the answer first.");
    return () => journal.putBack(discarded);
  },
};

function restoreMessages(agentId: string): void {
  const key = ["messages", agentId];
  void journal.messages(agentId).then(
    (messages) => {
      if (messages.length > 0 && queries.getQueryData(key) === undefined)
        queries.setQueryData<Message[]>(key, messages, { updatedAt: 0 });
    },
    () => undefined,
  );
}

/** Keeps what is read of conversations, and shows it when the server cannot be asked. */
function keepConversations(): void {
  const timers = new Map<string, ReturnType<typeof setTimeout>>();
  queries.getQueryCache().subscribe((event) => {
    const [kind, id] = event.query.queryKey as [unknown, unknown];
    if (kind !== "messages" || typeof id !== "string" || isLocal(id)) return;
    if (event.type === "observerAdded" && event.query.state.data === undefined) restoreMessages(id);
    if (event.type !== "updated" || event.action.type !== "success" || event.action.manual) return;
    clearTimeout(timers.get(id));
    const keep = () => {
      timers.delete(id);
      void keepNow(id);
    };
    timers.set(id, setTimeout(keep, KEEP_AFTER));
  });
  window.addEventListener("pagehide", () => {
    for (const [id, timer] of timers) {
      clearTimeout(timer);
      void keepNow(id);
    }
    timers.clear();
  });
  const restoreAgents = () => {
    if (queries.getQueryData(["agents"]) !== undefined) return;
    const kept = journal.heads().filter((head) => !isLocal(head.id));
    const newest = kept.sort((one, other) => other.touched - one.touched);
    if (newest.length > 0) queries.setQueryData<Agent[]>(["agents"], newest.map(asAgent), { updatedAt: 0 });
  };
  void journal.loaded().then(restoreAgents, () => undefined);
}

/** Reads the journal and brings what waits, now and whenever the server is there again. */
export function startLocal(): void {
  keepConversations();
  const sync = () => syncer.sync().catch(() => undefined);
  // What was answered here comes before what is sent from here, in the order of their making.
  beforeSending.add(sync);
  connection.on("agents:changed", () => {
    if (journal.turns().length > 0) void sync();
  });
  void sync();
}
