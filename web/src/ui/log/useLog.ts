import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { explain } from "../../api/explain";
import { type Found, LogFeed, searchFor } from "../../engine/logfeed";
import { type LogFilter, LogView } from "../../engine/logs";
import { useConnection } from "../live";

/** The log as long as the page is shown: of everything, or of one source, at most `capacity` lines. */
export function useLogFeed(source: string | null = null, capacity?: number): LogFeed {
  const connection = useConnection();
  const feed = useMemo(() => new LogFeed(connection, { source, capacity }), [connection, source, capacity]);
  useEffect(() => {
    const seen = () => feed.hide(document.hidden);
    feed.start();
    document.addEventListener("visibilitychange", seen);
    return () => {
      document.removeEventListener("visibilitychange", seen);
      feed.stop();
    };
  }, [feed]);
  useSyncExternalStore(feed.watch, feed.snapshot);
  return feed;
}

const TRIES = 5;
const FEW = 100;

/** The lines that pass `filter`, and reading older ones from the files. */
function useLogView(feed: LogFeed, filter: LogFilter) {
  const connection = useConnection();
  const { level, source, text, requestId } = filter;
  const view = useMemo(
    () => new LogView(feed.ring, { level, source, text, requestId }),
    [feed, level, source, text, requestId],
  );
  view.update();
  const [reading, setReading] = useState(false);
  const [reached, setReached] = useState<{ view: LogView; before: string | null } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const before = reached?.view === view ? reached.before : undefined;
  const older = useCallback(async () => {
    setReading(true);
    setProblem(null);
    try {
      const oldest = view.oldest() ?? feed.ring.at(feed.ring.first)?.line;
      let from = before ?? oldest?.id ?? null;
      // A search ends after a while even when it has found nothing; it goes on from there.
      for (let tries = 0; tries < TRIES; tries += 1) {
        const wanted = searchFor({ level, source, text, requestId }, from);
        const found = await connection.ask<Found>("logs:search", wanted);
        view.prepend(found.lines);
        from = found.before;
        if (found.lines.length > 0 || from === null) break;
      }
      setReached({ view, before: from });
    } catch (error) {
      setProblem(explain(error).happened);
    }
    setReading(false);
  }, [connection, feed, view, before, level, source, text, requestId]);
  // A filter that leaves little of what came lately is for something earlier.
  const lacking = feed.filled && before === undefined && view.length < FEW;
  const tried = useRef<LogView | null>(null);
  useEffect(() => {
    if (!lacking || tried.current === view) return;
    tried.current = view;
    void older();
  }, [lacking, view, older]);
  return { view, older, reading, ended: before === null, problem };
}

/** What a page that shows a log needs: the lines that pass `filter`, the one that is selected, and what went wrong. */
export function useLines(feed: LogFeed, filter: LogFilter) {
  const { older, problem, ...found } = useLogView(feed, filter);
  const [selected, select] = useState<string | null>(null);
  const { view, reading, ended } = found;
  return {
    ...found,
    older,
    selected,
    select,
    said: problem ?? feed.problem,
    /** There is nothing to show, and nothing on its way. */
    empty: feed.filled && !reading && view.length === 0,
    /** Reads older lines; null when there are none or they are being read. */
    onOlder: reading || ended || !feed.filled ? null : () => void older(),
  };
}

export type Lines = ReturnType<typeof useLines>;
