import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { memo, useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import type { StoreApi } from "zustand/vanilla";
import { listMessages } from "../../api/client";
import type { Message } from "../../api/types";
import type { Connection } from "../../engine/connection";
import type { Outbox } from "../../engine/outbox";
import type { TurnStreams } from "../../engine/turns";
import { Markdown } from "../../ui/markdown/Markdown";
import { Composer } from "./Composer";
import { stateLabel } from "./labels";
import { useFollow } from "./useFollow";

export interface ChatParts {
  connection: Connection;
  outbox: Outbox;
  streams: TurnStreams;
  drafts: StoreApi<Record<string, string>>;
}

const SUGGESTIONS = [
  "What can you help me with?",
  "Explain a hard idea in simple words",
  "Write a short Python function",
  "Plan a calm weekend",
];

const UserMessage = memo(function UserMessage({ text }: { text: string }) {
  return (
    <article className="user" data-testid="message-user" aria-label="You">
      {text}
    </article>
  );
});

interface AnswerProps {
  agentId: string;
  message: Message;
  streams: TurnStreams;
  last: boolean;
}

const open = (state: string) => state === "queued" || state === "running";

const Answer = memo(function Answer({ agentId, message, streams, last }: AnswerProps) {
  const { turnId } = message;
  const wanted = open(message.state) ? turnId : null;
  if (wanted) streams.prepare(agentId, wanted);
  useEffect(() => {
    if (wanted) streams.follow(agentId, wanted);
  }, [streams, agentId, wanted]);
  const watch = useCallback((watcher: () => void) => streams.watch(turnId, watcher), [streams, turnId]);
  const view = useSyncExternalStore(watch, () => streams.view(turnId));
  const text = view?.text ? view.text : message.content;
  const state = view ? view.state : message.state;
  const live = view ? !view.ended : open(message.state);
  return (
    <article className="assistant" aria-label="Answer" aria-busy={live}>
      <div data-testid="message-assistant">
        <Markdown text={text} live={live} />
      </div>
      {live && text === "" && <span className="caret" aria-hidden="true" />}
      {(last || live || state === "failed" || state === "cancelled") && (
        <div className="turn-state" data-testid="turn-state" data-state={state} role="status">
          {stateLabel(state)}
          {view?.error && <span className="error"> · {view.error}</span>}
        </div>
      )}
    </article>
  );
});

/** One conversation, or the beginning of a new one when there is no id yet. */
export function ChatPage({ agentId, parts }: { agentId: string | null; parts: ChatParts }) {
  const { connection, outbox, streams, drafts } = parts;
  const scroller = useRef<HTMLDivElement>(null);
  const place = agentId ?? "new";
  const { following, jump } = useFollow(scroller, place);
  const { data, error } = useQuery({
    queryKey: ["messages", agentId],
    queryFn: () => listMessages(agentId ?? ""),
    enabled: agentId !== null,
  });
  const items = useSyncExternalStore(outbox.watch, outbox.snapshot);
  const phase = useSyncExternalStore(connection.watch, connection.snapshot).phase;
  const waiting = items.filter((item) => (agentId === null ? item.fresh : item.agentId === agentId && !item.fresh));
  const messages = useMemo(
    () => (agentId === null ? [] : (data ?? [])).filter((message) => message.role !== "system"),
    [agentId, data],
  );
  const last = messages.at(-1);
  const lastTurn = last?.role === "assistant" ? last.turnId : null;
  const watchLast = useCallback((watcher: () => void) => streams.watch(lastTurn, watcher), [streams, lastTurn]);
  const lastView = useSyncExternalStore(watchLast, () => streams.view(lastTurn));
  const running = last?.role === "assistant" && open(last.state) && !lastView?.ended ? lastTurn : null;
  const home = agentId === null && waiting.length === 0;
  const send = (text: string) => {
    jump();
    outbox.add(text, agentId);
  };

  return (
    <div className="chat" data-home={home}>
      {!home && <h1 className="unseen">Conversation</h1>}
      <div className="scroller" ref={scroller}>
        <div className="column" role="log" aria-live="polite" aria-label="Conversation">
          {home && (
            <div className="home">
              <h1>What is on your mind?</h1>
              <div className="suggestions">
                {SUGGESTIONS.map((suggestion) => (
                  <button key={suggestion} type="button" onClick={() => send(suggestion)}>
                    {suggestion}
                  </button>
                ))}
              </div>
            </div>
          )}
          {error && messages.length === 0 && (
            <p role="alert" className="hint">
              {error.message} <Link to="/">Start a new chat</Link>
            </p>
          )}
          {messages.map((message) =>
            message.role === "user" ? (
              <UserMessage key={message.seq} text={message.content} />
            ) : (
              <Answer
                key={message.seq}
                agentId={agentId ?? ""}
                message={message}
                streams={streams}
                last={message === last && waiting.length === 0}
              />
            ),
          )}
          {waiting.map((item) => (
            <div key={item.key}>
              <UserMessage text={item.text} />
              <div className="turn-state mine" data-testid="turn-state" role="status">
                {item.failed ??
                  (phase === "connected" ? "Sending" : "Waiting for the connection; it will be sent once")}
                {item.failed && (
                  <>
                    <button type="button" onClick={() => outbox.retry(item.key)}>
                      Retry
                    </button>
                    <button type="button" onClick={() => outbox.remove(item.key)}>
                      Discard
                    </button>
                  </>
                )}
              </div>
            </div>
          ))}
        </div>
      </div>
      {!following && (
        <button type="button" className="jump" onClick={jump}>
          Jump to latest
        </button>
      )}
      <Composer
        place={place}
        drafts={drafts}
        onSend={send}
        onStop={running && agentId ? () => void streams.stop(agentId, running).catch(() => undefined) : null}
      />
    </div>
  );
}
