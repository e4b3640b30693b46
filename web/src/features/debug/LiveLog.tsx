import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { NO_FILTER } from "../../engine/logs";
import { whole } from "../../ui/format";
import { LogLines, PauseButton } from "../../ui/log/LogLines";
import { useLines, useLogFeed } from "../../ui/log/useLog";

interface Props {
  requestId: string | null;
  onRequest: (requestId: string | null) => void;
}

/** The log as it is written, of everything or of one request. */
export function LiveLog({ requestId, onRequest }: Props) {
  const feed = useLogFeed();
  const lines = useLines(feed, { ...NO_FILTER, requestId });
  const { view, said } = lines;
  return (
    <section aria-label="Log" className="debug-log">
      <div className="profile-form">
        <PauseButton feed={feed} />
        {requestId !== null && (
          <Button size="xs" variant="default" onClick={() => onRequest(null)}>
            Show all requests
          </Button>
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
      {lines.empty && <p className="hint">No line belongs to this request.</p>}
      {view.length > 0 && (
        <div className="debug-lines">
          <LogLines lines={lines} onRequest={onRequest} onSource={() => lines.select(null)} />
        </div>
      )}
    </section>
  );
}
