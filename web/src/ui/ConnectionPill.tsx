import { useEffect, useState, useSyncExternalStore } from "react";
import type { Connection } from "../engine/connection";
import { SERVERLESS } from "../engine/edition";

const LABELS = { connected: "Connected", connecting: "Connecting", waiting: SERVERLESS ? "This device" : "Offline" };

/** Says whether the server is reached, counts down to the next try, and how much waits to be sent. */
export function ConnectionPill({ connection }: { connection: Connection }) {
  const state = useSyncExternalStore(connection.watch, connection.snapshot);
  const queued = useSyncExternalStore(connection.watch, connection.queued);
  const [, tick] = useState(0);
  useEffect(() => {
    if (state.phase !== "waiting") return;
    const timer = setInterval(() => tick((count) => count + 1), 500);
    return () => clearInterval(timer);
  }, [state]);
  const label = queued > 0 ? `${LABELS[state.phase]}, ${queued} waiting` : LABELS[state.phase];
  const retryAt = state.phase === "waiting" ? state.retryAt : null;
  return (
    <div className="pill" data-phase={state.phase} title={label}>
      <span role="status" aria-label={label}>
        <span className="dot" aria-hidden="true" />
        <span className="wide-only">{LABELS[state.phase]}</span>
      </span>
      {retryAt !== null && (
        <button
          type="button"
          className="wide-only"
          aria-label="Retry now"
          title="Retry now"
          onClick={() => connection.retryNow()}
        >
          retry in {Math.max(0, Math.ceil((retryAt - Date.now()) / 1000))} s
        </button>
      )}
    </div>
  );
}
