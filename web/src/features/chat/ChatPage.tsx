import { useDocumentTitle } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import type { StoreApi } from "zustand/vanilla";
import { listMessages } from "../../api/client";
import type { Connection } from "../../engine/connection";
import type { Outbox } from "../../engine/outbox";
import type { MessageTimes } from "../../engine/times";
import type { TurnStreams } from "../../engine/turns";
import { DownIcon } from "../../ui/icons";
import { Announcer } from "./Announcer";
import { Answer, isOpen } from "./Answer";
import { Composer } from "./Composer";
import { Home } from "./Home";
import { ModelPicker } from "./ModelPicker";
import { Overlay } from "./Overlay";
import { UserMessage } from "./UserMessage";
import { useFollow } from "./useFollow";
import { useModel } from "./useModel";
import { Waiting } from "./Waiting";

export interface ChatParts {
  connection: Connection;
  outbox: Outbox;
  streams: TurnStreams;
  drafts: StoreApi<Record<string, string>>;
  times: MessageTimes;
}

/** Stops with Esc, wherever the focus is, unless something that Esc closes is open. */
function useEscape(stop: (() => void) | null) {
  useEffect(() => {
    if (!stop) return;
    const pressed = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.defaultPrevented || event.isComposing) return;
      if (document.querySelector("[role=dialog], [role=menu]") || document.activeElement?.matches("input")) return;
      stop();
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, [stop]);
}

interface Props {
  agentId: string | null;
  parts: ChatParts;
  /** What is shown once after the demo model's first answer. */
  offer?: ReactNode;
}

/** One conversation, or the beginning of a new one when there is no id yet. */
export function ChatPage({ agentId, parts, offer }: Props) {
  const { connection, outbox, streams, drafts } = parts;
  const scroller = useRef<HTMLDivElement>(null);
  const place = agentId ?? "new";
  const { following, jump } = useFollow(scroller, place);
  const { agent, models, current, picked, model, demo, noModel, problem, pick } = useModel(agentId);
  const { data, error, isPending } = useQuery({
    queryKey: ["messages", agentId],
    queryFn: () => listMessages(agentId ?? ""),
    enabled: agentId !== null,
  });
  const items = useSyncExternalStore(outbox.watch, outbox.snapshot);
  const connected = useSyncExternalStore(connection.watch, connection.snapshot).phase === "connected";
  const waiting = items.filter((item) => (agentId === null ? item.fresh : item.agentId === agentId && !item.fresh));
  const messages = useMemo(
    () => (agentId === null ? [] : (data ?? [])).filter((message) => message.role !== "system"),
    [agentId, data],
  );
  // The answer under way is the first that is open; those after it wait for it.
  const openOnes = messages.filter((message) => message.role === "assistant" && isOpen(message.state));
  const working = openOnes.find((message) => !streams.view(message.turnId)?.ended);
  const last = messages.at(-1);
  const heard = working ?? last;
  const heardTurn = heard?.role === "assistant" ? heard.turnId : null;
  const watchHeard = useCallback((watcher: () => void) => streams.watch(heardTurn, watcher), [streams, heardTurn]);
  const view = useSyncExternalStore(watchHeard, () => streams.view(heardTurn));
  const running = working && !view?.ended ? working.turnId : null;
  const home = agentId === null && waiting.length === 0;
  const title = agentId === null ? "New chat" : (agent?.title ?? "Conversation");
  useDocumentTitle(home ? "Corral" : `${title} · Corral`);

  const send = useCallback(
    (text: string) => {
      jump();
      outbox.add(text, agentId, agentId === null ? picked : null);
    },
    [jump, outbox, agentId, picked],
  );
  const latest = useRef(send);
  latest.current = send;
  const say = useCallback((text: string) => latest.current(text), []);
  const stop = useMemo(
    () => (running && agentId && connected ? () => void streams.stop(agentId, running).catch(() => undefined) : null),
    [running, agentId, connected, streams],
  );
  useEscape(stop);

  return (
    <div className="chat" data-home={home}>
      <header className="head">
        <ModelPicker models={models} current={current} onPick={pick} />
        {demo && (
          <Link to="/models" className="better">
            Get a better model
          </Link>
        )}
        {!home && <h1 title={title}>{title}</h1>}
        <Overlay times={parts.times} streams={streams} />
      </header>
      <div className="scroller" ref={scroller}>
        <div className="column" role="log" aria-live="polite" aria-label="Conversation">
          {home && <Home noModel={noModel} demo={demo} onPick={send} />}
          {agentId !== null && isPending && <p className="hint late">Reading the conversation…</p>}
          {error && messages.length === 0 && (
            <p role="alert" className="hint">
              {error.message} <Link to="/">Start a new chat</Link>
            </p>
          )}
          {messages.map((message, index) =>
            message.role === "user" ? (
              <UserMessage key={message.seq} text={message.content} />
            ) : (
              <Answer
                key={message.seq}
                agentId={agentId ?? ""}
                message={message}
                streams={streams}
                last={message === last && waiting.length === 0}
                ahead={Math.max(0, openOnes.indexOf(message) - openOnes.indexOf(working ?? message))}
                connected={connected || !isOpen(message.state)}
                model={isOpen(message.state) ? model : undefined}
                say={message === last && waiting.length === 0 ? say : null}
                question={messages[index - 1]?.content ?? ""}
              />
            ),
          )}
          {demo && messages.length === 2 && running === null && waiting.length === 0 && offer}
          <Waiting items={waiting} connected={connected} outbox={outbox} />
          {problem && (
            <p role="alert" className="error">
              The model was not changed: {problem}
            </p>
          )}
        </div>
      </div>
      {heardTurn && <Announcer key={heardTurn} text={view?.text ?? heard?.content ?? ""} live={running !== null} />}
      <div className="composer-place">
        {!following && (
          <button type="button" className="jump" onClick={jump}>
            <DownIcon /> Jump to latest
          </button>
        )}
        <Composer place={place} drafts={drafts} connected={connected} onSend={send} onStop={stop} />
      </div>
    </div>
  );
}
