import { Link, useNavigate } from "@tanstack/react-router";
import { NO_FILTER } from "../../engine/logs";
import { whole } from "../../ui/format";
import { LogLines, PauseButton } from "../../ui/log/LogLines";
import { useLines, useLogFeed } from "../../ui/log/useLog";

const KEPT = 5_000;

/** What the engine of a model writes, as it is written. */
export function EngineLog({ name }: { name: string }) {
  const source = `engine:${name}`;
  const navigate = useNavigate();
  const feed = useLogFeed(source, KEPT);
  const lines = useLines(feed, { ...NO_FILTER, source });
  const { view, said } = lines;
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
        <PauseButton feed={feed} />
      </div>
      {said && (
        <p role="alert" className="error">
          {said}
        </p>
      )}
      {!feed.filled && <p className="hint late">Reading the log…</p>}
      {lines.empty && (
        <p className="hint">This engine has written nothing yet. Lines appear here once the model starts.</p>
      )}
      {view.length > 0 && (
        <div className="engine-log">
          <LogLines lines={lines} onRequest={(requestId) => logs({ requestId })} onSource={() => logs({ source })} />
        </div>
      )}
    </section>
  );
}
