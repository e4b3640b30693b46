import { useRouterState } from "@tanstack/react-router";
import { useEffect, useState, useSyncExternalStore } from "react";
import { SERVERLESS } from "../engine/edition";
import { connection } from "./services";

const PATIENCE = 3_000;

/** Says on the pages beside the chats, which say it themselves, that what is shown is from before. */
export function Outage() {
  const state = useSyncExternalStore(connection.watch, connection.snapshot);
  const queued = useSyncExternalStore(connection.watch, connection.queued);
  const inChat = useRouterState({
    select: ({ location: { pathname } }) => pathname === "/" || pathname.startsWith("/c/"),
  });
  const [since, setSince] = useState<number | null>(null);
  const away = state.phase === "waiting" ? state.since : null;
  const connected = state.phase === "connected";
  useEffect(() => {
    if (connected) setSince(null);
    if (away === null) return;
    const timer = setTimeout(() => setSince(away), Math.max(0, away + PATIENCE - Date.now()));
    return () => clearTimeout(timer);
  }, [connected, away]);
  if (SERVERLESS || (queued === 0 && (inChat || since === null))) return null;
  const from = new Date(since ?? Date.now()).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return (
    <div className="outage" role="status" data-chat={inChat}>
      <span>
        No connection since {from}; this is from before.
        {queued > 0 && ` ${queued === 1 ? "One request is" : `${queued} requests are`} sent when it is back.`}
      </span>
      {queued > 0 && (
        <button type="button" onClick={() => connection.dropQueue()}>
          Do not send
        </button>
      )}
    </div>
  );
}
