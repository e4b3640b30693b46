import { type KeyboardEvent, memo, useCallback, useLayoutEffect, useRef, useState } from "react";
import { keepsFollowing, type Place } from "../../engine/follow";
import { type Entry, type LogView, NOTE } from "../../engine/logs";
import { DownIcon } from "../icons";
import "./log.css";

const SPARE = 10;
const NEAR_TOP = 200;

interface RowProps {
  entry: Entry;
  index: number;
  count: number;
  selected: boolean;
}

/** The time of day of a line, to the millisecond. */
export function clock(at: string): string {
  const moment = new Date(at);
  if (Number.isNaN(moment.getTime())) return at;
  const two = (value: number) => String(value).padStart(2, "0");
  const time = `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`;
  return `${time}.${String(moment.getMilliseconds()).padStart(3, "0")}`;
}

const Row = memo(function Row({ entry: { line, text }, index, count, selected }: RowProps) {
  if (line.level === NOTE)
    return (
      // biome-ignore lint/a11y/useFocusableInteractive: the list has the focus and names the active line
      <div className="log-row note" role="option" aria-selected={selected} data-index={index}>
        {text}
      </div>
    );
  return (
    // biome-ignore lint/a11y/useFocusableInteractive: the list has the focus and names the active line
    <div
      className="log-row"
      role="option"
      id={`log-${line.id}`}
      aria-selected={selected}
      aria-posinset={index + 1}
      aria-setsize={count}
      data-level={line.level}
      data-index={index}
      data-testid="log-row"
    >
      <time dateTime={line.at}>{clock(line.at)}</time>
      <span className="log-level">{line.level}</span>
      <span className="log-source">{line.source}</span>
      <span className="log-text">{text}</span>
    </div>
  );
});

interface Props {
  view: LogView;
  selected: string | null;
  onSelect: (id: string | null) => void;
  /** Reads older lines; null when there are none or they are being read. */
  onOlder: (() => void) | null;
}

const placeOf = (box: HTMLElement): Place => ({ top: box.scrollTop, height: box.scrollHeight, view: box.clientHeight });

/** The lines as a list of which only those in sight exist; it follows the end until the reader scrolls up. */
export function LogList({ view, selected, onSelect, onOlder }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const measure = useRef<HTMLDivElement>(null);
  const last = useRef<Place>({ top: 0, height: 0, view: 0 });
  const shift = useRef(view.shift);
  const shown = useRef(view);
  const [row, setRow] = useState(28);
  const [place, setPlace] = useState({ top: 0, view: 600 });
  const [following, setFollowing] = useState(true);
  const { length } = view;

  const look = useCallback(() => {
    const frame = box.current;
    if (!frame) return;
    const next = placeOf(frame);
    const before = last.current;
    last.current = next;
    setFollowing((now) => keepsFollowing(now, before, next));
    setPlace({ top: next.top, view: next.view });
    if (next.top < before.top && next.top < NEAR_TOP) onOlder?.();
  }, [onOlder]);

  // The height of a row is known before the first picture; rows of another height would move the end at each drawing.
  useLayoutEffect(() => {
    const frame = box.current;
    if (!frame) return;
    setRow(measure.current?.offsetHeight || 28);
    const observer = new ResizeObserver(() => {
      setRow(measure.current?.offsetHeight || 28);
      setPlace({ top: frame.scrollTop, view: frame.clientHeight });
    });
    observer.observe(frame);
    return () => observer.disconnect();
  }, []);

  // Before the picture is drawn: the end stays at the end, or the line that is read stays where it is.
  useLayoutEffect(() => {
    const frame = box.current;
    if (!frame) return;
    const moved = shown.current === view ? view.shift - shift.current : 0;
    const fresh = shown.current !== view;
    shown.current = view;
    shift.current = view.shift;
    if (following || fresh) frame.scrollTop = length * row;
    else if (moved !== 0) frame.scrollTop += moved * row;
    if (fresh) setFollowing(true);
    const next = placeOf(frame);
    if (next.top !== last.current.top) setPlace({ top: next.top, view: next.view });
    last.current = next;
  });

  // A line that is looked at stays where it is.
  const select = (id: string | null) => {
    if (id !== null) setFollowing(false);
    onSelect(id);
  };
  const show = (index: number) => {
    const frame = box.current;
    const entry = view.at(Math.max(0, Math.min(index, length - 1)));
    if (!frame || !entry) return;
    const at = Math.max(0, Math.min(index, length - 1)) * row;
    if (at < frame.scrollTop) frame.scrollTop = at;
    else if (at + row > frame.scrollTop + frame.clientHeight) frame.scrollTop = at + row - frame.clientHeight;
    select(entry.line.id);
  };
  const pressed = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(place.view / row) - 1);
    const at = selected === null ? -1 : view.indexOf(selected);
    const moves: Record<string, number> = {
      ArrowDown: at < 0 ? length - 1 : at + 1,
      ArrowUp: at < 0 ? length - 1 : at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: length - 1,
    };
    const to = moves[event.key];
    if (event.key === "Escape" && selected !== null) onSelect(null);
    else if (to !== undefined) show(to);
    else return;
    event.preventDefault();
  };

  const first = Math.max(0, Math.floor(place.top / row) - SPARE);
  const end = Math.min(length, Math.ceil((place.top + place.view) / row) + SPARE);
  const rows = [];
  for (let index = first; index < end; index += 1) {
    const entry = view.at(index);
    if (entry)
      rows.push(
        <Row
          key={entry.line.id}
          entry={entry}
          index={index}
          count={length}
          selected={selected !== null && entry.line.id === selected}
        />,
      );
  }
  return (
    <div className="log-place">
      <div className="log-row log-measure" ref={measure} aria-hidden="true" />
      <div
        className="log-list"
        ref={box}
        role="listbox"
        aria-label="Log lines"
        aria-live="off"
        aria-activedescendant={selected === null ? undefined : `log-${selected}`}
        tabIndex={0}
        onScroll={look}
        onKeyDown={pressed}
        onClick={(event) => {
          const at = (event.target as HTMLElement).closest<HTMLElement>("[data-index]")?.dataset.index;
          const id = at === undefined ? undefined : view.at(Number(at))?.line.id;
          if (id !== undefined) select(id === selected ? null : id);
        }}
      >
        <div className="log-all" style={{ height: length * row }}>
          <div style={{ transform: `translateY(${first * row}px)` }}>{rows}</div>
        </div>
      </div>
      {!following && (
        <button
          type="button"
          className="jump"
          onClick={() => {
            setFollowing(true);
            if (box.current) box.current.scrollTop = length * row;
          }}
        >
          <DownIcon /> Jump to latest
        </button>
      )}
    </div>
  );
}
