import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type Failure, listFailures } from "../../api/debug";
import { sentence } from "../../api/explain";
import { ago } from "../../ui/format";

const EVERY = 5_000;

/** Everything that went wrong lately. */
export function Failures() {
  const { data, error, isPending } = useQuery({
    queryKey: ["debug", "errors"],
    queryFn: listFailures,
    refetchInterval: EVERY,
  });
  if (isPending) return <p className="hint late">Reading…</p>;
  if (!data)
    return (
      <p role="alert" className="error">
        {sentence(error)}
      </p>
    );
  if (data.length === 0)
    return (
      <>
        <h2 className="empty">Nothing has failed since the server started</h2>
        <p className="hint">What fails appears here with its class, what it belongs to, and what was done about it.</p>
      </>
    );
  return <FailureList failures={data} />;
}

/** Failures, each with its class, whose they are and what was done. */
export function FailureList({ failures }: { failures: readonly Failure[] }) {
  const now = new Date();
  return (
    <ul className="failures">
      {failures.map((one) => (
        <li key={one.id} data-severity={one.severity} data-testid="failure-row">
          <header>
            <code>{one.code}</code>
            <span className="failure-class">
              {one.type} · {one.severity}
            </span>
            {one.count > 1 && <span className="failure-class">{one.count} times</span>}
            <time className="hint" dateTime={one.last} title={new Date(one.last).toLocaleString()}>
              {ago(new Date(one.last), now)}
            </time>
          </header>
          <p>{one.message}</p>
          <p className="hint">
            {one.recovery
              ? `Recovered by: ${one.recovery}. `
              : one.recoverable
                ? `Can be recovered by: ${one.strategy.join(", ")}. `
                : ""}
            {!one.recovery && one.action}
          </p>
          <p className="failure-about">
            <span>{one.where}</span>
            {Object.entries(one.about).map(([name, value]) => (
              <span key={name}>
                {name}: {value}
              </span>
            ))}
            {one.requestIds.map((request) => (
              <Link key={request} to="/debug" search={{ request }}>
                Trace {request.slice(0, 12)}
              </Link>
            ))}
          </p>
        </li>
      ))}
    </ul>
  );
}
