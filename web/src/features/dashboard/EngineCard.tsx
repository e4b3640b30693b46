import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { sentence } from "../../api/explain";
import type { EngineMetrics } from "../../api/metrics";
import { modelAction } from "../../api/models";
import type { Model } from "../../api/types";
import { ago, bytes, whole } from "../../ui/format";
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

/** The state of an engine in a word or two. */
function word({ state, engine }: Model): string {
  if (engine?.waitsForMemory) return "waits for memory";
  return engine?.sleeping ? "asleep" : state;
}

/** What it holds, and for how long it has done nothing. */
function facts(engine: Model["engine"], memory: number | null): string {
  const several = engine?.replicas?.length ?? 0;
  return [
    memory !== null && bytes(memory),
    several > 1 && `${several} engines`,
    engine?.pinned && "stays loaded",
    engine?.lastUsed && `used ${ago(new Date(engine.lastUsed), new Date())}`,
  ]
    .filter(Boolean)
    .join(" · ");
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
  const waiting = Math.max(now?.queue ?? 0, engine?.waiting ?? 0);
  const memory = now?.rss ?? engine?.memory ?? null;
  return (
    <li className="card" data-testid="engine-card" aria-label={model.name}>
      <header>
        <span className="mark" data-state={engine?.sleeping ? "sleeping" : model.state} aria-hidden="true" />
        <Link to="/models/$name" params={{ name: model.name }} className="card-name" title={model.name}>
          {model.name}
        </Link>
        <span className="card-state">
          {word(model)}
          {loading && progress !== null && ` ${Math.floor(progress * 100)} %`}
        </span>
      </header>
      {failed || act.error ? (
        <p className="card-problem" role="alert">
          {(act.error && sentence(act.error)) ??
            (error ? `${error.message} ${error.hint ?? ""}` : "The engine has failed.")}
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
            <span className="figure">{waiting > 0 ? `${whole(waiting)} waiting` : ""}</span>
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
        <span className="figure hint">{facts(engine, memory)}</span>
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
