import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import type { LogLine } from "../../api/logs";
import { inOrder, LogFeed, PAGE, searchFor } from "../../engine/logfeed";
import { type LogFilter, LogView } from "../../engine/logs";
import { useConnection } from "../../ui/live";

/** The log as long as the page is shown. */
export function useLogFeed(): LogFeed {
  const connection = useConnection();
  const feed = useMemo(() => new LogFeed(connection), [connection]);
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

/** The lines that pass `filter`, and reading older ones from the files. */
export function useLogView(feed: LogFeed, filter: LogFilter) {
  const connection = useConnection();
  const { level, source, text, requestId } = filter;
  const view = useMemo(
    () => new LogView(feed.ring, { level, source, text, requestId }),
    [feed, level, source, text, requestId],
  );
  view.update();
  const [reading, setReading] = useState(false);
  const [ended, setEnded] = useState<LogView | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const older = useCallback(async () => {
    setReading(true);
    setProblem(null);
    try {
      const oldest = view.oldest() ?? feed.ring.at(feed.ring.first)?.line ?? null;
      const wanted = searchFor({ level, source, text, requestId }, oldest?.id ?? null);
      const { lines } = await connection.ask<{ lines: LogLine[] }>("logs:search", wanted);
      view.prepend(inOrder(lines));
      if (lines.length < PAGE) setEnded(view);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
    setReading(false);
  }, [connection, feed, view, level, source, text, requestId]);
  return { view, older, reading, ended: ended === view, problem };
}
