import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { EngineMetrics } from "../../api/metrics";
import { modelAction } from "../../api/models";
import type { Model } from "../../api/types";
import { bytes, whole } from "../../ui/format";
import { useConnection } from "../../ui/live";
import { Sparkline } from "../../ui/Sparkline";

const MANY_SLOTS = 16;

function Slots({ busy, count }: { busy: number; count: number }) {
  const said = `${busy} of ${count} ${count === 1 ? "slot" : "slots"} at work`;
  if (count === 0) return <span className="hint">no slots known</span>;
  return (
    <span className="slots" title={said}>
      {count <= MANY_SLOTS && (
        <span className="slot-marks" aria-hidden="true">
          {Array.from({ length: count }, (_, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: slots have no other name
            <i key={index} data-busy={index < busy} />
          ))}
        </span>
      )}
      {said}
    </span>
  );
}

interface Props {
  model: Model;
  /** The newest measurement, when there is one yet. */
  now: EngineMetrics | undefined;
  /** Tokens a second over the last ten minutes. */
  course: readonly (number | null)[];
}

/** One engine: what it does, what it holds, and stopping it. */
export function EngineCard({ model, now, course }: Props) {
  const connection = useConnection();
  const act = useMutation({
    mutationFn: (action: "start" | "stop" | "restart") => modelAction(connection, model.name, action),
  });
  const { engine } = model;
  const loading = model.state === "starting" || model.state === "loading";
  const progress = engine?.progress ?? model.progress ?? null;
  const failed = model.state === "failed";
  const error = engine?.error ?? model.error ?? null;
  const speed = now?.tokensPerSecond ?? null;
  const memory = now?.rss ?? engine?.memory ?? null;
  return (
    <li className="card" data-testid="engine-card" aria-label={model.name}>
      <header>
        <span className="mark" data-state={model.state} aria-hidden="true" />
        <Link to="/models/$name" params={{ name: model.name }} className="card-name" title={model.name}>
          {model.name}
        </Link>
        <span className="card-state">
          {model.state}
          {loading && progress !== null && ` ${Math.floor(progress * 100)} %`}
        </span>
      </header>
      {failed || act.error ? (
        <p className="card-problem" role="alert">
          {act.error?.message ?? (error ? `${error.message} ${error.hint ?? ""}` : "The engine has failed.")}
        </p>
      ) : (
        <>
          <div className="card-speed">
            <span className="card-figure">{speed === null ? "–" : whole(speed)}</span>
            <span className="hint">tok/s</span>
            <Sparkline values={course} />
          </div>
          <div className="card-line">
            <Slots busy={now?.slotsBusy ?? engine?.busy ?? 0} count={now?.slots ?? engine?.slots ?? 0} />
            <span className="figure">{now && now.queue > 0 ? `${whole(now.queue)} waiting` : ""}</span>
          </div>
          <div className="card-line">
            <span className="kv" title="How much of the context the slots hold">
              Context in use
              <span className="kv-bar" aria-hidden="true">
                <i style={{ width: `${(now?.kvUse ?? 0) * 100}%` }} />
              </span>
            </span>
            <span className="figure">{now?.kvUse == null ? "–" : `${Math.round(now.kvUse * 100)} %`}</span>
          </div>
        </>
      )}
      <footer>
        <span className="figure hint">{memory === null ? "" : bytes(memory)}</span>
        {failed ? (
          <Button size="xs" variant="default" loading={act.isPending} onClick={() => act.mutate("start")}>
            Start again
          </Button>
        ) : (
          <Button size="xs" variant="default" loading={act.isPending} onClick={() => act.mutate("stop")}>
            Stop
          </Button>
        )}
      </footer>
    </li>
  );
}
