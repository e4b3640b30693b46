import { useEffect, useState, useSyncExternalStore } from "react";
import type { Connection } from "../engine/connection";

const LABELS = { connected: "Connected", connecting: "Connecting", waiting: "Offline" };

/** Says whether the server is reached, and counts down to the next try. */
export function ConnectionPill({ connection }: { connection: Connection }) {
  const state = useSyncExternalStore(connection.watch, connection.snapshot);
  const [, tick] = useState(0);
  useEffect(() => {
    if (state.phase !== "waiting") return;
    const timer = setInterval(() => tick((count) => count + 1), 500);
    return () => clearInterval(timer);
  }, [state]);
  const label = LABELS[state.phase];
  const rest = state.phase === "waiting" ? Math.max(0, Math.ceil((state.retryAt - Date.now()) / 1000)) : 0;
  return (
    <div className="pill" data-phase={state.phase} title={label}>
      <span role="status" aria-label={label}>
        <span className="dot" aria-hidden="true" />
        <span className="wide-only">{label}</span>
      </span>
      {state.phase === "waiting" && (
        <button
          type="button"
          className="wide-only"
          aria-label="Retry now"
          title="Retry now"
          onClick={() => connection.retryNow()}
        >
          retry in {rest} s
        </button>
      )}
    </div>
  );
}
