import { Link } from "@tanstack/react-router";
import { useEffect, useState, useSyncExternalStore } from "react";
import { readFigure } from "../../api/debug";
import { type MessageTimes, percentile } from "../../engine/times";
import type { TurnStreams } from "../../engine/turns";
import { bytes } from "../../ui/format";
import { useConnection } from "../../ui/live";
import { Sparkline } from "../../ui/Sparkline";
import "./overlay.css";

const EVERY = 5_000;
const SECOND = 1_000;
const MOMENTS = 61;
const MINUTE = 60_000;
const COMMITS = "commit the tokens";

interface Measured {
  roundTrip: number | null;
  commit: number | null;
  heap: number | null;
}

const millis = (value: number | null) =>
  value === null ? "–" : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
const used = () =>
  (performance as Performance & { memory?: { usedJSHeapSize: number } }).memory?.usedJSHeapSize ?? null;

/** Asks every few seconds how far the server is, and how long its commits take. */
function useMeasured(): Measured {
  const connection = useConnection();
  const [measured, setMeasured] = useState<Measured>({ roundTrip: null, commit: null, heap: used() });
  useEffect(() => {
    let gone = false;
    const look = async () => {
      const began = performance.now();
      const roundTrip = await connection.request("status:get").then(
        () => performance.now() - began,
        () => null,
      );
      const since = Math.max(0, (Date.now() - MINUTE) / 1000);
      const commit = await readFigure(COMMITS, since).then(
        ({ p50 }) => p50,
        () => null,
      );
      if (!gone) setMeasured({ roundTrip, commit, heap: used() });
    };
    void look();
    const timer = setInterval(() => !document.hidden && void look(), EVERY);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [connection]);
  return measured;
}

/** Tasks of the last minute that held the page up; null where the browser does not tell. */
function useLongTasks(): { count: number; longest: number } | null {
  const [tasks, setTasks] = useState<readonly { at: number; ms: number }[] | null>(null);
  useEffect(() => {
    if (!PerformanceObserver.supportedEntryTypes.includes("longtask")) return;
    setTasks([]);
    const observer = new PerformanceObserver((list) => {
      const found = list.getEntries().map((entry) => ({ at: entry.startTime, ms: entry.duration }));
      setTasks((before) => [...(before ?? []), ...found].filter(({ at }) => at > performance.now() - MINUTE));
    });
    observer.observe({ type: "longtask" });
    return () => observer.disconnect();
  }, []);
  if (tasks === null) return null;
  const late = tasks.filter(({ at }) => at > performance.now() - MINUTE);
  return { count: late.length, longest: Math.max(0, ...late.map(({ ms }) => ms)) };
}

/** Pieces of answers in each of the last sixty seconds. */
function usePieces(streams: TurnStreams): readonly number[] {
  const [pieces, setPieces] = useState<readonly number[]>([]);
  useEffect(() => {
    let count = 0;
    const leave = streams.onEvent((event) => {
      if (event.type === "token") count += 1;
    });
    const timer = setInterval(() => {
      const now = count;
      count = 0;
      setPieces((before) => [...before, now].slice(-MOMENTS));
    }, SECOND);
    return () => {
      leave();
      clearInterval(timer);
    };
  }, [streams]);
  return pieces;
}

/** How often the connection came back since this was shown. */
function useResumes(): number {
  const connection = useConnection();
  const [opened, setOpened] = useState(0);
  useEffect(() => {
    let count = connection.connected ? -1 : 0;
    return connection.onOpen(() => {
      count += 1;
      setOpened(Math.max(0, count));
    });
  }, [connection]);
  return opened;
}

/** The figures of the last message of this page, and of the page itself. */
export function OverlayFigures({ times, streams }: { times: MessageTimes; streams: TurnStreams }) {
  // The watcher is told of every event; the figures change with each, so their count is what is watched.
  useSyncExternalStore(times.watch, () => times.count);
  const { roundTrip, commit, heap } = useMeasured();
  const tasks = useLongTasks();
  const pieces = usePieces(streams);
  const resumes = useResumes();
  const latest = times.latest;
  const first = latest && latest.first !== 0 ? latest.first - latest.clicked : null;
  const took = latest && latest.last > latest.first ? latest.last - latest.first : null;
  const rate = latest?.tokens && latest.tokens > 1 && took !== null ? ((latest.tokens - 1) * SECOND) / took : null;
  const gap = (part: number) => millis(latest && latest.gaps.length > 0 ? percentile(latest.gaps, part) : null);
  const rows: readonly [string, string][] = [
    ["Time to first token", millis(first)],
    ["Speed", rate === null ? "–" : `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} tokens/s`],
    ["Between pieces p50", gap(50)],
    ["Between pieces p95", gap(95)],
    ["Commit p50", millis(commit)],
    ["Socket round trip", millis(roundTrip)],
    ["Reconnects", String(resumes)],
    [
      "Long tasks in 1 min",
      tasks === null ? "not told" : tasks.count === 0 ? "none" : `${tasks.count}, ${millis(tasks.longest)}`,
    ],
    ["Heap", heap === null ? "not told" : bytes(heap)],
  ];
  return (
    <aside className="overlay" aria-label="Figures of this chat" data-testid="overlay">
      <dl>
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Sparkline values={pieces} />
      <p>
        Pieces a second
        {latest && (
          <Link to="/debug" search={{ request: latest.key }}>
            Trace
          </Link>
        )}
      </p>
    </aside>
  );
}
