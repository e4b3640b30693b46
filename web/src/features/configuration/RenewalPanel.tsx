import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Everything, Renewal } from "../../api/config";
import { sentence } from "../../api/explain";
import { useConnection } from "../../ui/live";
import { counted, STEPS, summary } from "./renewal";

const SHOWN = 8;

function Engines({ names }: { names: readonly string[] }) {
  const [all, setAll] = useState(false);
  const shown = all ? names : names.slice(0, SHOWN);
  return (
    <>
      {shown.map((name, at) => (
        <span key={name}>
          {at > 0 && ", "}
          <Link to="/models/$name" params={{ name }}>
            {name}
          </Link>
        </span>
      ))}
      {names.length > shown.length && (
        <button type="button" className="link" onClick={() => setAll(true)}>
          {" "}
          and {names.length - shown.length} more
        </button>
      )}
    </>
  );
}

function Steps({ renewal }: { renewal: Renewal }) {
  return (
    <ul className="rows renewal-steps">
      {renewal.engines.map(({ name, state, error, lastLines = [], serves }) => (
        <li key={name} data-state={state} data-testid="renewal-step">
          <div>
            <Link to="/models/$name" params={{ name }} search={{ tab: "log" }}>
              {name}
            </Link>
            {error && (
              <p className="error">
                {error} {serves ? "The one before serves on." : "No engine of it runs now."}
              </p>
            )}
            {lastLines.length > 0 && (
              <details>
                <summary>What it said last</summary>
                <pre>{lastLines.join("\n")}</pre>
              </details>
            )}
          </div>
          <span className="facts">{STEPS[state]}</span>
        </li>
      ))}
    </ul>
  );
}

interface Props {
  /** The models whose engines run with earlier settings. */
  pending: readonly string[];
  renewal: Renewal | null;
}

/** Engines that run with earlier settings, and restarting them: what will happen, how far it is, what became of each. */
export function RenewalPanel({ pending, renewal }: Props) {
  const live = useConnection();
  const client = useQueryClient();
  const [closed, setClosed] = useState<string | null>(renewal?.running ? null : (renewal?.startedAt ?? null));
  const put = (now: Renewal | null) =>
    client.setQueryData<Everything>(["config:get", {}], (known) => known && { ...known, renewal: now });
  const begin = useMutation({
    mutationFn: () => live.request<Renewal>("config:renew", { names: pending }),
    onSuccess: put,
  });
  const finish = useMutation({
    mutationFn: () => live.request<Renewal | null>("config:renew:stop"),
    onSuccess: put,
  });
  const running = renewal?.running ?? false;
  const shown = renewal && (running || (renewal.startedAt !== closed && renewal.engines.length > 0)) ? renewal : null;
  if (!shown && pending.length === 0) return null;
  const error = begin.error ?? finish.error;
  const press = () => {
    if (running) finish.mutate();
    else if (shown && pending.length === 0) setClosed(shown.startedAt);
    else if (!begin.isPending) begin.mutate();
  };
  const label = running
    ? renewal?.stopping
      ? "Ends after this one"
      : "Stop after this one"
    : pending.length > 0
      ? `Restart ${counted(pending.length)} now`
      : "Close";
  return (
    <section className="renewal" aria-label="Engines with earlier settings">
      <p role="status" className="renewal-said">
        {shown ? summary(shown) : ""}
      </p>
      {shown && <Steps renewal={shown} />}
      {!running && pending.length > 0 && (
        <>
          <p>
            {pending.length === 1 ? "One engine still runs" : `${pending.length} engines still run`} with earlier
            settings: <Engines names={pending} />.
          </p>
          <p className="hint" id="renewal-what">
            They are restarted one after the other. Where the memory allows it, the new engine starts beside the old
            one, which finishes its answers; else requests wait until it is up. When a new one does not come up, the one
            before serves on and the reason stands here.
          </p>
        </>
      )}
      {error && (
        <p role="alert" className="error">
          {sentence(error)}
        </p>
      )}
      {/* One button for all of it, so that the focus stays where it is. */}
      <Button
        size="xs"
        variant={running || pending.length === 0 ? "default" : "filled"}
        aria-busy={begin.isPending}
        aria-describedby={running || pending.length === 0 ? undefined : "renewal-what"}
        onClick={press}
      >
        {label}
      </Button>
    </section>
  );
}
