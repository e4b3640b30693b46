import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { listTraces, type TraceRow } from "../../api/debug";
import { sentence } from "../../api/explain";
import { ago } from "../../ui/format";
import { Segments } from "../../ui/Segments";
import { took } from "./waterfall";

export type Kind = TraceRow["kind"];
export const KINDS: readonly { value: Kind; label: string }[] = [
  { value: "turn", label: "Messages" },
  { value: "request", label: "API" },
  { value: "control", label: "Control" },
];
const EVERY = 5_000;

interface Props {
  kind: Kind;
  picked: string | null;
  onKind: (kind: Kind) => void;
}

/** The last requests, the newest first. */
export function TraceList({ kind, picked, onKind }: Props) {
  const { data, error, isPending } = useQuery({
    queryKey: ["debug", "traces", kind],
    queryFn: () => listTraces(kind),
    refetchInterval: EVERY,
  });
  const now = new Date();
  return (
    <section className="trace-list" aria-label="Requests">
      <Segments label="Kind of request" options={KINDS} value={kind} onChange={onKind} />
      {isPending && <p className="hint late">Reading…</p>}
      {error && (
        <p role="alert" className="error">
          {sentence(error)}
        </p>
      )}
      {data?.traces.length === 0 && (
        <p className="hint">
          {kind === "turn" ? "No message was sent since the server started." : "Nothing of this kind was asked lately."}
        </p>
      )}
      <ul>
        {data?.traces.map((row) => (
          <li key={row.requestId}>
            <Link
              to="/debug"
              search={{ request: row.requestId, kind: kind === "turn" ? undefined : kind }}
              className="trace-row"
              data-testid="trace-row"
              aria-current={
                row.requestId === picked || (row.turnId !== null && row.turnId === picked) ? "true" : undefined
              }
            >
              <span className="trace-name">{kind === "turn" ? (row.model ?? "Message") : row.name}</span>
              <span className="trace-took">{row.ms === null ? "running" : took(row.ms)}</span>
              <time
                className="hint"
                dateTime={new Date(row.start).toISOString()}
                title={new Date(row.start).toLocaleString()}
              >
                {ago(new Date(row.start), now)}
              </time>
              <span className="hint">
                {row.error ? (
                  <span className="error">{row.error}</span>
                ) : (
                  row.firstTokenMs !== null && `first token ${took(row.firstTokenMs)}`
                )}
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}
