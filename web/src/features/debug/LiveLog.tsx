import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { NO_FILTER } from "../../engine/logs";
import { whole } from "../../ui/format";
import { LogDetail } from "../../ui/log/LogDetail";
import { LogList } from "../../ui/log/LogList";
import { useLogFeed, useLogView } from "../../ui/log/useLog";

interface Props {
  requestId: string | null;
  onRequest: (requestId: string | null) => void;
}

/** The log as it is written, of everything or of one request. */
export function LiveLog({ requestId, onRequest }: Props) {
  const feed = useLogFeed();
  const { view, older, reading, ended, problem } = useLogView(feed, { ...NO_FILTER, requestId });
  const [selected, setSelected] = useState<string | null>(null);
  const line = selected === null ? undefined : view.at(view.indexOf(selected))?.line;
  const said = problem ?? feed.problem;
  return (
    <section aria-label="Log" className="debug-log">
      <div className="profile-form">
        <button type="button" className="button" aria-pressed={feed.paused} onClick={() => feed.pause(!feed.paused)}>
          {feed.paused ? `Resume${feed.waiting > 0 ? ` · ${whole(feed.waiting)} new` : ""}` : "Pause"}
        </button>
        {requestId !== null && (
          <button type="button" className="button" onClick={() => onRequest(null)}>
            Show all requests
          </button>
        )}
        <Link to="/logs" search={requestId === null ? {} : { requestId }}>
          Open in Logs
        </Link>
        <span className="hint">{whole(view.length)} lines</span>
      </div>
      {said && (
        <p role="alert" className="error">
          {said}
        </p>
      )}
      {feed.filled && !reading && view.length === 0 && <p className="hint">No line belongs to this request.</p>}
      {view.length > 0 && (
        <div className="debug-lines">
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
              onRequest={onRequest}
              onSource={() => setSelected(null)}
            />
          )}
        </div>
      )}
    </section>
  );
}
