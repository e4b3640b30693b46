import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";
import type { Candidate, Route, States } from "../../api/routes";
import { NumberBox } from "../../ui/entry/Fields";
import { CrossIcon, GripIcon } from "../../ui/icons";
import { CandidateOptions } from "./CandidateOptions";
import { keysOf, moved, placeAt } from "./order";
import { candidateWords, nameOf, stateFor } from "./words";

interface HandleProps {
  name: string;
  at: number;
  count: number;
  onMove: (to: number) => void;
  onHold: () => void;
}

/** What a candidate is moved by: dragged by pointer or finger, or with the arrow keys. */
function Handle({ name, at, count, onMove, onHold }: HandleProps) {
  const press = (event: KeyboardEvent) => {
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: count - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    onMove(to);
  };
  return (
    <button
      type="button"
      className="quiet candidate-handle"
      aria-label={`Move ${name}, ${at + 1} of ${count}: arrow up or down`}
      title="Drag, or arrow up and down"
      onKeyDown={press}
      onPointerDown={(event) => {
        if (event.button === 0) onHold();
      }}
    >
      <GripIcon />
    </button>
  );
}

interface RowProps {
  one: Candidate;
  at: number;
  route: Route;
  states: States | undefined;
  problem: string | undefined;
  handle: ReactNode;
  held: boolean;
  onChange: (candidate: Candidate) => void;
  onRemove: () => void;
}

function Row({ one, at, route, states, problem, handle, held, onChange, onRemove }: RowProps) {
  const [open, setOpen] = useState(false);
  const name = nameOf(one);
  const { mark, words } = candidateWords(stateFor(states, route.name, one, Date.now()));
  const own = Object.keys(one.parameters).length > 0 || one.prefill !== null || one.price !== null;
  return (
    <li className="candidate" data-held={held} data-testid="candidate">
      <div className="candidate-line">
        {handle}
        <span className="candidate-place" aria-hidden="true">
          {at + 1}
        </span>
        <span className="candidate-name">
          <strong>{name}</strong>
          {words && (
            <span className="facts candidate-state">
              <span className="mark" data-state={mark} aria-hidden="true" />
              {words}
            </span>
          )}
          {problem && <span className="problem">{problem}</span>}
        </span>
        {route.strategy === "weighted" && (
          <span className="candidate-weight">
            <NumberBox
              marks={{ disabled: route.readOnly }}
              label={`Share of ${name}`}
              value={one.weight}
              placeholder="1"
              onChange={(weight) => onChange({ ...one, weight: weight ?? 1 })}
            />
          </span>
        )}
        <button
          type="button"
          className="quiet candidate-more"
          aria-expanded={open}
          aria-label={`Options of ${name}`}
          onClick={() => setOpen(!open)}
        >
          Options{own && " ·"}
        </button>
        {!route.readOnly && (
          <button type="button" className="quiet" aria-label={`Take out ${name}`} onClick={onRemove}>
            <CrossIcon />
          </button>
        )}
      </div>
      {open && <CandidateOptions one={one} locked={route.readOnly} onChange={onChange} />}
    </li>
  );
}

interface Props {
  route: Route;
  /** What is wrong with single candidates, by their place. */
  problems: Readonly<Record<number, string>>;
  states: States | undefined;
  onChange: (candidates: readonly Candidate[]) => void;
}

/** Who may answer, in order. */
export function Candidates({ route, problems, states, onChange }: Props) {
  const { candidates, readOnly } = route;
  const keys = keysOf(candidates);
  const [held, setHeld] = useState<string | null>(null);
  const [said, setSaid] = useState("");
  const list = useRef<HTMLOListElement>(null);
  const focus = useRef<number | null>(null);
  useEffect(() => {
    // Moving a row may take the focus from its handle.
    if (focus.current === null) return;
    list.current?.querySelectorAll<HTMLElement>(".candidate-handle")[focus.current]?.focus();
    focus.current = null;
  });
  const drag = useRef((_: globalThis.PointerEvent) => {});
  useEffect(() => {
    drag.current = (event) => {
      const from = held === null ? -1 : keys.indexOf(held);
      if (from < 0 || !list.current) return;
      const middles = [...list.current.children].map((row) => {
        const { top, height } = row.getBoundingClientRect();
        return top + height / 2;
      });
      const to = placeAt(middles, from, event.clientY);
      if (to !== from) move(from, to);
    };
  });
  useEffect(() => {
    if (held === null) return;
    // On the window: a row that changes its place in the document loses the pointer.
    const control = new AbortController();
    const drop = () => setHeld(null);
    window.addEventListener("pointermove", (event) => drag.current(event), { signal: control.signal });
    window.addEventListener("pointerup", drop, { signal: control.signal });
    window.addEventListener("pointercancel", drop, { signal: control.signal });
    return () => control.abort();
  }, [held]);
  const move = (from: number, to: number) => {
    const next = moved(candidates, from, to);
    const one = candidates[from];
    if (next === candidates || !one) return;
    const place = Math.max(0, Math.min(to, candidates.length - 1));
    focus.current = place;
    setSaid(`${nameOf(one)} is now ${place + 1} of ${candidates.length}.`);
    onChange(next);
  };
  return (
    <>
      <ol className="candidates" ref={list} aria-label="Candidates">
        {candidates.map((one, at) => {
          const key = keys[at] ?? "";
          return (
            <Row
              key={key}
              one={one}
              at={at}
              route={route}
              states={states}
              problem={problems[at]}
              held={held === key}
              handle={
                readOnly || candidates.length < 2 ? null : (
                  <Handle
                    name={nameOf(one)}
                    at={at}
                    count={candidates.length}
                    onMove={(to) => move(at, to)}
                    onHold={() => setHeld(key)}
                  />
                )
              }
              onChange={(changed) => onChange(candidates.with(at, changed))}
              onRemove={() => onChange(candidates.filter((_, other) => other !== at))}
            />
          );
        })}
      </ol>
      <p className="unseen" role="status">
        {said}
      </p>
    </>
  );
}
