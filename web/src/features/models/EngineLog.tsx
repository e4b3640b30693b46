import { Button } from "@mantine/core";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { NO_FILTER } from "../../engine/logs";
import { whole } from "../../ui/format";
import { LogDetail } from "../../ui/log/LogDetail";
import { LogList } from "../../ui/log/LogList";
import { useLogFeed, useLogView } from "../../ui/log/useLog";

const KEPT = 5_000;

/** What the engine of a model writes, as it is written. */
export function EngineLog({ name }: { name: string }) {
  const source = `engine:${name}`;
  const navigate = useNavigate();
  const feed = useLogFeed(source, KEPT);
  const { view, older, reading, ended, problem } = useLogView(feed, { ...NO_FILTER, source });
  const [selected, setSelected] = useState<string | null>(null);
  const line = selected === null ? undefined : view.at(view.indexOf(selected))?.line;
  const said = problem ?? feed.problem;
  const logs = (search: { source?: string; requestId?: string }) => void navigate({ to: "/logs", search });
  return (
    <section aria-label="Engine log">
      <div className="engine-log-head">
        <p className="hint">
          {view.length > 0 && `${whole(view.length)} ${view.length === 1 ? "line" : "lines"}. `}
          <Link to="/logs" search={{ source }}>
            Open them in Logs
          </Link>{" "}
          to search, filter and download.
        </p>
        <Button size="xs" variant="default" aria-pressed={feed.paused} onClick={() => feed.pause(!feed.paused)}>
          {feed.paused ? `Resume${feed.waiting > 0 ? ` · ${whole(feed.waiting)} new` : ""}` : "Pause"}
        </Button>
      </div>
      {said && (
        <p role="alert" className="error">
          {said}
        </p>
      )}
      {!feed.filled && <p className="hint late">Reading the log…</p>}
      {feed.filled && !reading && view.length === 0 && (
        <p className="hint">This engine has written nothing yet. Lines appear here once the model starts.</p>
      )}
      {view.length > 0 && (
        <div className="engine-log">
          <LogList
            view={view}
            selected={selected}
            onSelect={setSelected}
            onOlder={reading || ended || !feed.filled ? null : () => void older()}
          />
          {line && (
            <LogDetail
              line={line}
              onClose={() => setSelected(null)}
              onRequest={(requestId) => logs({ requestId })}
              onSource={() => logs({ source })}
            />
          )}
        </div>
      )}
    </section>
  );
}
