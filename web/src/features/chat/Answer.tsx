import { Link } from "@tanstack/react-router";
import { lazy, memo, Suspense, useCallback, useEffect, useState, useSyncExternalStore } from "react";
import type { Message } from "../../api/types";
import type { TurnView } from "../../engine/joiner";
import { CopyButton } from "../../ui/CopyButton";
import { LogButton } from "./LogButton";
import { type Around, figures, figuresOf, leftOutLabel, placeLabel, stateLabel } from "./labels";

/** Where a page watches answers: those of the server, or those of this device. */
export interface AnswerSource {
  prepare?(agentId: string, turnId: string): void;
  follow?(agentId: string, turnId: string): void;
  watch(turnId: string | null, watcher: () => void): () => void;
  view(turnId: string | null): TurnView | null;
}

export interface AnswerProps {
  agentId: string;
  message: Message;
  streams: AnswerSource;
  last: boolean;
  ahead: number;
  connected: boolean;
  model: Around["model"];
  /** Says something in this conversation; null while it cannot be said. */
  say: ((text: string) => void) | null;
  /** The message that is answered. */
  question: string;
  /** What this device is called. */
  device: string;
  /** Has this device answer in the server's place; null when it cannot. */
  here: ((message: Message) => void) | null;
  /** Has the other place answer when this one has failed; null when it cannot. */
  other: { label: string; ask: (question: string) => void } | null;
  /** Fetches a model of this device anew; null when the server is away. */
  fetchAgain: ((model: string) => void) | null;
  /** Whether this device does not have the model that answered, and could. */
  missing: boolean;
}

// The renderer weighs as much as the page around it, and an empty conversation needs none.
const Markdown = lazy(async () => ({ default: (await import("../../ui/markdown/Markdown")).Markdown }));
const BROKEN = new Set(["failed", "cancelled", "interrupted"]);
const CONTINUE = "Please continue where you stopped.";

/** Whether a turn in this state is still to be answered. */
export const isOpen = (state: string) => state === "queued" || state === "running";

/** One answer: its text as it grows, its state, and what can be done with it. */
export const Answer = memo(function Answer(props: AnswerProps) {
  const { agentId, message, streams, last, say, other, fetchAgain } = props;
  const { turnId } = message;
  const [fetched, setFetched] = useState(false);
  const wanted = isOpen(message.state) ? turnId : null;
  if (wanted) streams.prepare?.(agentId, wanted);
  useEffect(() => {
    if (wanted) streams.follow?.(agentId, wanted);
  }, [streams, agentId, wanted]);
  const watch = useCallback((watcher: () => void) => streams.watch(turnId, watcher), [streams, turnId]);
  const view = useSyncExternalStore(watch, () => streams.view(turnId));
  const text = view?.text ? view.text : message.content;
  const state = view ? view.state : message.state;
  const live = view ? !view.ended && view.state !== "interrupted" : isOpen(message.state);
  const broken = !live && BROKEN.has(state);
  const failed = broken && state !== "cancelled";
  /** Whether the table of errors names a step; of what this page has not answered itself, it does not know. */
  const helps = (step: string) => view?.steps?.includes(step);
  const loading = view?.loading;
  const model =
    loading === undefined ? props.model : { name: message.model ?? "", state: "loading", progress: loading };
  const told = message.stats ? figuresOf(message.stats) : figures(view?.tokens ?? null, view?.took ?? null);
  const at = new Date(message.createdAt);
  return (
    <article className="assistant" aria-label="Answer" aria-busy={live} aria-live="off">
      <div data-testid="message-assistant">
        <Suspense fallback={<p className="as-written">{text}</p>}>
          <Markdown text={text} live={live} />
        </Suspense>
      </div>
      {live && text === "" && <span className="caret" aria-hidden="true" />}
      {view?.error && <p className="error">{view.error}</p>}
      <footer className="answer-foot" data-shown={last || live || broken}>
        <div className="turn-state" data-testid="turn-state" data-state={state} role="status">
          {live && <span className="spinner" aria-hidden="true" />}
          {stateLabel(state, { ...props, model })}
        </div>
        {live && text === "" && props.here && (
          <span className="answer-actions">
            <button type="button" onClick={() => props.here?.(message)}>
              Answer here instead
            </button>
          </span>
        )}
        {view && view.leftOut > 0 && <span className="facts">{leftOutLabel(view.leftOut)}</span>}
        {!live && (
          <>
            {turnId && message.place !== "device" ? (
              <Link to="/debug" search={{ turn: turnId }} className="facts trace-link" title="Where the time went">
                {told || "Trace"}
              </Link>
            ) : (
              <span className="facts">{told}</span>
            )}
            <span className="facts" title={message.device ?? undefined}>
              {placeLabel(message, props.device)}
            </span>
            <time className="facts" dateTime={message.createdAt} title={at.toLocaleString()}>
              {at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}
            </time>
            {text !== "" && <CopyButton what="answer" text={text} />}
            {turnId && message.place !== "device" && <LogButton turnId={turnId} />}
            {broken && last && say && (
              <span className="answer-actions">
                {text !== "" && (
                  <button type="button" onClick={() => say(CONTINUE)}>
                    Continue
                  </button>
                )}
                <button type="button" onClick={() => say(props.question)}>
                  Retry
                </button>
                {failed && other && helps("other_place") !== false && (
                  <button type="button" onClick={() => other.ask(props.question)}>
                    {other.label}
                  </button>
                )}
                {failed && fetchAgain && (props.missing || (helps("download_again") && !fetched)) && (
                  <button
                    type="button"
                    onClick={() => {
                      setFetched(true);
                      fetchAgain(message.model ?? "");
                    }}
                  >
                    Fetch the model again
                  </button>
                )}
              </span>
            )}
          </>
        )}
      </footer>
    </article>
  );
});
