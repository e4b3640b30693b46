import { QueryClient } from "@tanstack/react-query";
import { createStore } from "zustand/vanilla";
import { createAgent } from "../api/client";
import { tellErrors, tellSpans } from "../api/debug";
import { patchModels, patchStatus } from "../api/models";
import { PASSING } from "../api/passing";
import { ApiError, type Message, type Model } from "../api/types";
import { Connection, Refused } from "../engine/connection";
import { type Drafts, keepDrafts, readDrafts } from "../engine/drafts";
import { SERVERLESS } from "../engine/edition";
import { randomKey } from "../engine/ids";
import { LateWire } from "../engine/latewire";
import { Outbox, type OutboxItem, type Sent } from "../engine/outbox";
import { Reports } from "../engine/reports";
import { MessageTimes } from "../engine/times";
import { TurnStreams } from "../engine/turns";
import { Updates } from "../shell/updates";

const socket = new LateWire(async () => (await import("./socket")).openSocket());

export const connection = new Connection(socket, () => outbox.snapshot().length > 0);
export const streams = new TurnStreams(connection);
/** Follows the messages of this page, and tells the debug page of them. */
export const times = new MessageTimes(tellSpans);
/** What goes wrong in this page, for the server's list of failures. */
export const reports = new Reports(SERVERLESS ? () => Promise.resolve() : tellErrors);
export const queries = new QueryClient({
  defaultOptions: {
    // What was read once stays readable while the server is away.
    queries: { staleTime: 5_000, gcTime: Number.POSITIVE_INFINITY, retry: 1, networkMode: "always" },
    mutations: { networkMode: "always" },
  },
});
export const drafts = createStore<Drafts>(() => readDrafts(localStorage));
drafts.subscribe((now, before) => {
  keepDrafts(
    localStorage,
    now,
    Object.keys(now).filter((place) => now[place] !== before[place]),
  );
});

/** What is to be done after a reconnect before anything is sent. */
export const beforeSending = new Set<() => Promise<void>>();
const SEND_AFTER = 5_000;

interface SentWire extends Sent {
  seq?: number;
}

const LOADED = "corral.isolating";
const TAB = "corral.tab";
const tab = sessionStorage.getItem(TAB) ?? randomKey();
sessionStorage.setItem(TAB, tab);

export const outbox = new Outbox(
  localStorage,
  {
    ready: () => connection.connected,
    create: async (item) => (await createAgent(item.model ?? null, item.sampling)).id,
    send: (item) =>
      connection.request<SentWire>(
        "chat:send",
        { message: item.text, agentId: item.agentId, idempotencyKey: item.key },
        undefined,
        times.sending(item.key, item.at ?? Date.now()),
      ),
    refused: (error) => {
      if (error instanceof Refused) return error.message;
      return error instanceof ApiError && error.status < 500 && !PASSING.has(error.code) ? error.message : null;
    },
  },
  async (work) => {
    if (navigator.locks) await navigator.locks.request("corral.outbox", work);
    else await work();
  },
  tab,
);

function echo(item: OutboxItem, sent: SentWire): void {
  queries.setQueryData<Message[]>(["messages", sent.agentId], (known = []) => {
    if (known.some((message) => message.turnId === sent.turnId)) return known;
    const seq = sent.seq ?? known.length + 1;
    const common = { turnId: sent.turnId, createdAt: new Date().toISOString() };
    return [
      ...known,
      { ...common, id: `${item.key}-u`, seq, role: "user", content: item.text, state: "completed" },
      { ...common, id: `${item.key}-a`, seq: seq + 1, role: "assistant", content: "", state: "queued" },
    ];
  });
}

export const updates = new Updates(navigator.serviceWorker, () => location.reload());

/**
 * A host of plain files sends no headers of isolation, but the service worker adds them: so the first visit loads the page a second time,
 * once, as soon as that works and while nothing has been begun. Else the next visit has threads.
 */
function gainThreads(): void {
  if (crossOriginIsolated) return;
  navigator.serviceWorker?.addEventListener("controllerchange", () => {
    const begun = location.hash.length > 2 || document.querySelector("textarea")?.value;
    if (begun || sessionStorage.getItem(LOADED)) return;
    sessionStorage.setItem(LOADED, "1");
    location.reload();
  });
}

/** Milliseconds after which the app's files are fetched, connected or not. */
const KEEP_AFTER = 3_000;

/** Keeps the app's own files for use without a network, once the page is drawn and connected: a slow line has enough to do before. */
function keepOffline(): void {
  let begun = false;
  const register = () => {
    if (!begun) void updates.register(`${import.meta.env.BASE_URL}sw.js`);
    begun = true;
  };
  if (SERVERLESS) {
    gainThreads();
    if (document.readyState === "complete") register();
    else window.addEventListener("load", register, { once: true });
  } else {
    connection.onOpen(register);
    setTimeout(register, KEEP_AFTER);
  }
  // A server that was updated has been started again.
  connection.onOpen(() => updates.look());
  document.addEventListener("visibilitychange", () => document.hidden || updates.look());
}

/** Connects the parts and opens the socket; `open` shows a conversation that a message of this page has begun. */
export function startServices(open: (agentId: string) => void): void {
  if (import.meta.env.PROD) keepOffline();
  if (SERVERLESS) {
    connection.rest();
    return;
  }
  window.addEventListener("error", ({ error, message }) => reports.uncaught(error ?? message, "page"));
  window.addEventListener("unhandledrejection", ({ reason }) => reports.uncaught(reason, "page"));
  // Only one tab sends; the others, which show the same waiting message, learn of it here.
  const tabs = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("corral.outbox");
  const delivered = (item: OutboxItem, sent: SentWire, show: boolean) => {
    streams.follow(sent.agentId, sent.turnId, true);
    echo(item, sent);
    if (item.fresh && show) open(sent.agentId);
    void queries.invalidateQueries({ queryKey: ["messages", sent.agentId] });
    void queries.invalidateQueries({ queryKey: ["agents"] });
  };
  streams.onEvent((event) => times.received(event));
  outbox.onDelivered((item, sent) => {
    times.acknowledged(item.key, sent.turnId);
    delivered(item, sent, true);
    tabs?.postMessage({ item, sent });
  });
  tabs?.addEventListener("message", ({ data }: MessageEvent<{ item: OutboxItem; sent: SentWire }>) => {
    delivered(data.item, data.sent, data.item.owner === tab);
  });
  streams.onEnd((agentId) => {
    void queries.invalidateQueries({ queryKey: ["messages", agentId] });
    void queries.invalidateQueries({ queryKey: ["agents"] });
  });
  connection.on("agents:changed", (data) => {
    const id = (data as { agent?: { id?: string } }).agent?.id;
    void queries.invalidateQueries({ queryKey: ["agents"] });
    if (id) void queries.invalidateQueries({ queryKey: ["messages", id] });
  });
  connection.on("agents:removed", () => void queries.invalidateQueries({ queryKey: ["agents"] }));
  const models = (patch: (known: readonly Model[]) => readonly Model[]) =>
    queries.setQueryData<readonly Model[]>(["models"], (known) => known && patch(known));
  connection.on("models:status", (news) => models((known) => patchStatus(known, news as { name: string })));
  connection.on("models:changed", (news) => models((known) => patchModels(known, news as { models: Model[] })));
  connection.on("resync", () => void queries.invalidateQueries());
  connection.onOpen(() => {
    // What has been read once may have changed meanwhile; what waits for its first answer is being asked already.
    void queries.invalidateQueries({ predicate: (query) => query.state.data !== undefined });
    void queries.refetchQueries(
      { type: "active", predicate: (query) => query.state.data === undefined },
      { cancelRefetch: false },
    );
    const done = Promise.all([...beforeSending].map((work) => work()));
    void Promise.race([done, new Promise((resolve) => setTimeout(resolve, SEND_AFTER))]).then(() => outbox.flush());
  });
  window.addEventListener("storage", () => outbox.reload());
  window.addEventListener("online", () => connection.retryNow());
  document.addEventListener("visibilitychange", () => {
    connection.hide(document.hidden);
  });
  connection.start();
  connection.hide(document.hidden);
}
