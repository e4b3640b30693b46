import { useDocumentTitle } from "@mantine/hooks";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { listFailures, listTraces } from "../../api/debug";
import { save } from "../../ui/save";
import { Tabs } from "../../ui/Tabs";
import { Failures } from "./Failures";
import { Figures } from "./Figures";
import { LiveLog } from "./LiveLog";
import { ProfileTab } from "./ProfileTab";
import { type Kind, TraceList } from "./TraceList";
import { TraceView } from "./TraceView";
import "../../ui/controls.css";
import "./debug.css";

const TABS = [
  { id: "traces", label: "Traces" },
  { id: "errors", label: "Errors" },
  { id: "log", label: "Log" },
  { id: "profile", label: "Profile" },
  { id: "figures", label: "Figures" },
] as const;

async function exportAll(): Promise<void> {
  const [turns, requests, control, errors] = await Promise.all([
    listTraces("turn"),
    listTraces("request"),
    listTraces("control"),
    listFailures(),
  ]);
  const traces = [...turns.traces, ...requests.traces, ...control.traces];
  const all = { exportedAt: new Date().toISOString(), userAgent: navigator.userAgent, traces, errors };
  save("corral-debug.json", "application/json", JSON.stringify(all, null, 2));
}

/** What happened lately: every request from the click to the engine, what failed, the log, and where the time goes. */
export function DebugPage() {
  useDocumentTitle("Debug · Corral");
  const { tab = "traces", request, turn, kind = "turn" } = useSearch({ from: "/debug" });
  const navigate = useNavigate({ from: "/debug" });
  const picked = request ?? turn ?? null;
  const go = (search: { tab?: string; request?: string; kind?: Kind }) => void navigate({ search });
  return (
    <div className="page debug">
      <header className="page-head">
        <h1>Debug</h1>
        <button type="button" className="button" onClick={() => void exportAll()}>
          Export as JSON
        </button>
      </header>
      <Tabs
        label="Debug"
        tabs={TABS}
        at={tab}
        onPick={(id) =>
          go({
            tab: id === "traces" ? undefined : id,
            request: picked ?? undefined,
            kind: kind === "turn" ? undefined : kind,
          })
        }
      >
        {tab === "traces" && (
          <div className="traces" data-picked={picked !== null}>
            <TraceList
              kind={kind}
              picked={picked}
              onKind={(next) => go({ kind: next === "turn" ? undefined : next })}
            />
            <div className="trace-place">
              {picked === null ? (
                <p className="hint trace-none">Choose a request to see where its time went.</p>
              ) : (
                <>
                  <Link to="/debug" search={{ kind: kind === "turn" ? undefined : kind }} className="trace-back">
                    All requests
                  </Link>
                  <TraceView key={picked} picked={picked} />
                </>
              )}
            </div>
          </div>
        )}
        {tab === "errors" && <Failures />}
        {tab === "log" && (
          <LiveLog requestId={request ?? null} onRequest={(id) => go({ tab: "log", request: id ?? undefined })} />
        )}
        {tab === "profile" && <ProfileTab />}
        {tab === "figures" && <Figures />}
      </Tabs>
    </div>
  );
}
