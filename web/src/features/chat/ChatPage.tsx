import { useDocumentTitle } from "@mantine/hooks";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { useStore } from "zustand";
import type { StoreApi } from "zustand/vanilla";
import type { Message } from "../../api/types";
import type { Connection } from "../../engine/connection";
import { SERVERLESS } from "../../engine/edition";
import { viewOf } from "../../engine/local/answering";
import { isLocal } from "../../engine/local/journal";
import type { Outbox } from "../../engine/outbox";
import type { MessageTimes } from "../../engine/times";
import type { TurnStreams } from "../../engine/turns";
import { DownIcon } from "../../ui/icons";
import { Announcer } from "./Announcer";
import { Answer, type AnswerSource, isOpen } from "./Answer";
import { AnswerSettings } from "./AnswerSettings";
import { Composer } from "./Composer";
import { Home } from "./Home";
import { ModelPicker } from "./ModelPicker";
import { Overlay } from "./Overlay";
import { ForkNotice, PlaceLine } from "./PlaceLine";
import { moveSampling } from "./samplings";
import { UserMessage } from "./UserMessage";
import { type LocalParts, useConversation } from "./useConversation";
import { useFollow } from "./useFollow";
import { useHere } from "./useHere";
import { useModel } from "./useModel";
import { usePlace } from "./usePlace";
import { Waiting } from "./Waiting";

export interface ChatParts {
  connection: Connection;
  outbox: Outbox;
  streams: TurnStreams;
  drafts: StoreApi<Record<string, string>>;
  times: MessageTimes;
  local: LocalParts;
  /** What this device is called. */
  device: string;
}

/** What the turns of this device are called by, before they are the server's. */
const LOCAL = viewOf("");

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
  const { connection, outbox, streams, drafts, local } = parts;
  const scroller = useRef<HTMLDivElement>(null);
  const place = agentId ?? "new";
  const { following, jump } = useFollow(scroller, place);
  const talk = useConversation(agentId, local);
  const onServer = agentId !== null && isLocal(agentId) ? null : agentId;
  const { agent, models, current, picked, model, shown, demo, unknown, noModel, problem, pick, sampling, sample } =
    useModel(onServer, place);
  const writing = useStore(drafts, (all) => (all[place] ?? "") !== "");
  const where = usePlace(connection, current, shown, agentId !== null || writing);
  const { error, isPending } = talk;
  const items = useSyncExternalStore(outbox.watch, outbox.snapshot);
  const connected = useSyncExternalStore(connection.watch, connection.snapshot).phase === "connected";
  const waiting = items.filter((item) => (agentId === null ? item.fresh : item.agentId === agentId && !item.fresh));
  const messages = useMemo(() => talk.all.filter((message) => message.role !== "system"), [talk.all]);
  const source = useCallback(
    (turnId: string | null): AnswerSource => (turnId?.startsWith(LOCAL) ? local.turns : streams),
    [local.turns, streams],
  );
  // The answer under way is the first that is open; those after it wait for it.
  const openOnes = messages.filter((message) => message.role === "assistant" && isOpen(message.state));
  // Without the server nobody here can tell whether another device still writes; what it has written is not waited for.
  const followed = (message: Message) =>
    connected || message.place !== "device" || (message.turnId?.startsWith(LOCAL) ?? false);
  const working = openOnes.find((message) => followed(message) && !source(message.turnId).view(message.turnId)?.ended);
  const last = messages.at(-1);
  const heard = working ?? last;
  const heardTurn = heard?.role === "assistant" ? heard.turnId : null;
  const watchHeard = useCallback(
    (watcher: () => void) => source(heardTurn).watch(heardTurn, watcher),
    [source, heardTurn],
  );
  const view = useSyncExternalStore(watchHeard, () => source(heardTurn).view(heardTurn));
  const running = working && !view?.ended ? working.turnId : null;
  const home = agentId === null && waiting.length === 0;
  const title = agentId === null ? "New chat" : (agent?.title ?? talk.title ?? "Conversation");
  useDocumentTitle(home ? "Corral" : `${title} · Corral`);

  const here = useHere({ agentId, parts: local, outbox, all: talk.all, model: where.model, sampling });
  const pending = useRef<string | null>(null);
  const handed = useRef(new Set<string>());
  const answersHere = where.choice.place === "device";
  // What this device answers goes on from the last answer, so that has to end first; and what began here is not on the server yet.
  const held = answersHere ? running !== null : agentId !== null && isLocal(agentId);
  const send = useCallback(
    (text: string) => {
      if (held) return false;
      if (where.undecided && connected) {
        // It stays in the composer, which survives a reload, until it is known whether this device can answer.
        pending.current = text;
        return false;
      }
      jump();
      if (answersHere && waiting.length === 0) here.answer(text);
      else if (agentId !== null) outbox.add(text, agentId);
      else outbox.add(text, null, picked, moveSampling("new", null));
      return true;
    },
    [jump, outbox, agentId, picked, answersHere, held, waiting.length, here, where.undecided, connected],
  );
  useEffect(() => {
    const text = pending.current;
    if (where.undecided || text === null) return;
    pending.current = null;
    if (drafts.getState()[place]?.trim() === text && latest.current(text)) drafts.setState({ [place]: "" });
  }, [where.undecided, drafts, place]);
  // What waits for a server that is away is answered here, as what is written now would be.
  const first =
    !connected && answersHere && running === null ? waiting.find((item) => item.failed === null) : undefined;
  useEffect(() => {
    if (!first || handed.current.has(first.key)) return;
    handed.current.add(first.key);
    here.fromOutbox(first);
  }, [first, here]);
  const latest = useRef(send);
  latest.current = send;
  const say = useCallback((text: string) => void latest.current(text), []);
  const onServerToo = !SERVERLESS && connected && agentId !== null && !isLocal(agentId);
  /** Having the other place answer a message: the server that of this device, and the other way round. */
  const elsewhere = (message: Message) => {
    if (message.place !== "device") return where.able ? { label: "Have this device answer", ask: here.answer } : null;
    return onServerToo ? { label: "Have the server answer", ask: (text: string) => outbox.add(text, agentId) } : null;
  };
  const stop = useMemo(() => {
    if (running?.startsWith(LOCAL)) return () => local.turns.stop(running.slice(LOCAL.length));
    return running && agentId && connected ? () => void streams.stop(agentId, running).catch(() => undefined) : null;
  }, [running, agentId, connected, streams, local.turns]);
  useEscape(stop);

  return (
    <div className="chat" data-home={home}>
      <header className="head">
        <ModelPicker
          models={models}
          current={current}
          onPick={pick}
          here={{
            answers: answersHere,
            model: where.model,
            models: where.models,
            own: where.own,
            wish: where.wish,
            onPick: where.pick,
            onLook: where.look,
          }}
        />
        {demo && (
          <Link to="/models" className="better">
            Get a better model
          </Link>
        )}
        {!home && <h1 title={title}>{title}</h1>}
        <AnswerSettings sampling={sampling} onChange={sample} />
        <Overlay times={parts.times} streams={streams} />
      </header>
      <div className="scroller" ref={scroller}>
        <div className="column" role="log" aria-live="polite" aria-label="Conversation">
          {home && <Home unknown={unknown} noModel={noModel} demo={demo} onPick={say} />}
          {isPending && <p className="hint late">Reading the conversation…</p>}
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
                streams={source(message.turnId)}
                last={message === last && waiting.length === 0}
                ahead={Math.max(0, openOnes.indexOf(message) - openOnes.indexOf(working ?? message))}
                connected={connected || !isOpen(message.state) || message.place === "device"}
                model={isOpen(message.state) && message.place !== "device" ? model : undefined}
                device={parts.device}
                here={message.place !== "device" && message === working && where.able ? here.takeOver : null}
                other={message === last ? elsewhere(message) : null}
                fetchAgain={message === last && connected ? where.fetchAgain : null}
                missing={message.place === "device" && where.missing(message.model ?? "")}
                say={message === last && waiting.length === 0 ? say : null}
                question={messages[index - 1]?.content ?? ""}
              />
            ),
          )}
          {demo && messages.length === 2 && running === null && waiting.length === 0 && offer}
          {talk.fork && agentId !== null && (
            <ForkNotice fork={talk.fork} onSeen={() => void local.journal.seen(agentId)} />
          )}
          <Waiting
            items={waiting}
            connected={connected}
            outbox={outbox}
            here={where.able && running === null ? here.fromOutbox : null}
          />
          {here.problem && (
            <p role="alert" className="error">
              {here.problem}
            </p>
          )}
          {problem && (
            <p role="alert" className="error">
              {problem}
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
        <Composer
          place={place}
          drafts={drafts}
          connected={connected || answersHere}
          held={held}
          onSend={send}
          onStop={stop}
        />
        <PlaceLine
          choice={where.choice}
          connected={connected}
          unsynced={talk.unsynced}
          problem={where.problem}
          refused={talk.local.find((turn) => turn.problem !== undefined)?.problem ?? null}
        />
      </div>
    </div>
  );
}
