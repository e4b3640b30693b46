import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { listMessages } from "../../api/client";
import { readTrace } from "../../api/debug";
import { sentence } from "../../api/explain";
import { CopyButton } from "../../ui/CopyButton";
import { save } from "../../ui/save";
import { EventLog } from "./EventLog";
import { FailureList } from "./Failures";
import { asCurl, askedFor, modelRequest } from "./request";
import { Waterfall } from "./Waterfall";
import { took } from "./waterfall";

const SETTLING = 20_000;

/** All that is known of one request. `picked` is its id or its turn's. */
export function TraceView({ picked }: { picked: string }) {
  const trace = useQuery({
    queryKey: ["debug", "trace", picked],
    queryFn: () => readTrace(picked),
    // What the browser saw comes a moment after the end.
    refetchInterval: ({ state }) => {
      const last = state.data?.spans.at(-1);
      return last && Date.now() - last.start - last.ms < SETTLING ? 1_000 : false;
    },
  });
  if (trace.isPending) return <p className="hint late">Reading…</p>;
  if (!trace.data)
    return (
      <div className="trace-view">
        <p role="alert" className="error">
          {sentence(trace.error)}
        </p>
        <Link to="/debug">Show the latest messages</Link>
      </div>
    );
  const { requestId, turnId, agentId, model, spans, lost, errors } = trace.data;
  const start = Math.min(...spans.map((span) => span.start));
  const ms = Math.max(...spans.map((span) => span.start + span.ms)) - start;
  return (
    <article className="trace-view" aria-label="Trace">
      <header className="trace-head">
        <h2>{turnId ? "Message" : (spans[0]?.name ?? "Request")}</h2>
        <p className="hint">
          {took(ms)} · {spans.length} operations{model && ` · ${model}`} · <code>{requestId}</code>
        </p>
        <div className="trace-actions">
          {agentId && (
            <Link to="/c/$agentId" params={{ agentId }}>
              Conversation
            </Link>
          )}
          <Link to="/logs" search={{ requestId }}>
            Log
          </Link>
          <button
            type="button"
            className="button"
            onClick={() => save(`trace-${requestId}.json`, "application/json", JSON.stringify(trace.data, null, 2))}
          >
            Export as JSON
          </button>
        </div>
      </header>
      {lost > 0 && <p className="hint">{lost} more operations were too many to keep.</p>}
      <Waterfall spans={spans} />
      {errors.length > 0 && (
        <section aria-label="Errors of this request">
          <h3>Errors</h3>
          <FailureList failures={errors} />
        </section>
      )}
      {agentId && turnId && <Raw agentId={agentId} turnId={turnId} model={model} />}
      {agentId && turnId && <EventLog agentId={agentId} turnId={turnId} spans={spans} />}
    </article>
  );
}

/** The request as it was sent, and as the model got it. */
function Raw({ agentId, turnId, model }: { agentId: string; turnId: string; model: string | null }) {
  const { data } = useQuery({ queryKey: ["messages", agentId], queryFn: () => listMessages(agentId) });
  if (!data) return null;
  const asked = askedFor(data, turnId, agentId, null);
  const given = modelRequest(data, turnId, model);
  const sent = asked && { ...asked, stream: true };
  return (
    <details className="raw">
      <summary>Raw request</summary>
      {sent && (
        <>
          <p className="raw-head">
            <span>As it was sent</span>
            <CopyButton what="request as curl" text={() => asCurl(`${location.origin}/api/chat`, sent)} />
          </p>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
          <pre tabIndex={0}>{JSON.stringify(sent, null, 2)}</pre>
        </>
      )}
      {given && (
        <>
          <p className="raw-head">
            <span>As the model gets it</span>
            <CopyButton
              what="model's request as curl"
              text={() => asCurl(`${location.origin}/v1/chat/completions`, given)}
            />
          </p>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
          <pre tabIndex={0}>{JSON.stringify(given, null, 2)}</pre>
        </>
      )}
    </details>
  );
}
