import { Button } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { sentence } from "../../api/explain";
import type { EngineMetrics, History, Metrics } from "../../api/metrics";
import { listModels, modelAction } from "../../api/models";
import type { Model } from "../../api/types";
import { duration } from "../../ui/format";
import { useAsked, useConnection } from "../../ui/live";
import { useMetrics } from "../../ui/metrics";
import { Downloads } from "./Downloads";
import { EngineCard } from "./EngineCard";
import { Machine } from "./Machine";
import { MemoryBar } from "./MemoryBar";
import { Problems } from "./Problems";
import "../../ui/controls.css";
import "./dashboard.css";

const IDLE = new Set(["stopped", "idle"]);

interface Status {
  version: string;
  startedAt: string;
  /** Bytes that engines may have together, and what of it is taken or promised. */
  memory?: { budget: number; taken: number };
}

function NoEngine({ models }: { models: readonly Model[] }) {
  const connection = useConnection();
  const start = useMutation({ mutationFn: (name: string) => modelAction(connection, name, "start") });
  const usable = models.find((model) => model.default) ?? models[0];
  return (
    <div className="none">
      <h3 className="empty">No engine runs</h3>
      <p className="hint">
        A model starts by itself with the first message to it.{" "}
        {!usable && <Link to="/models">Get a model or choose a folder with some</Link>}
      </p>
      {usable && (
        <Button size="xs" variant="default" loading={start.isPending} onClick={() => start.mutate(usable.name)}>
          Start {usable.name}
        </Button>
      )}
      {start.error && (
        <p className="error" role="alert">
          {sentence(start.error)}
        </p>
      )}
    </div>
  );
}

interface EnginesProps {
  models: readonly Model[];
  latest: Metrics | undefined;
  history: History | undefined;
}

function Engines({ models, latest, history }: EnginesProps) {
  const now = useMemo(
    () => new Map<string, EngineMetrics>(latest?.engines.map((engine) => [engine.name, engine])),
    [latest],
  );
  const usable = models.filter((model) => !model.problem && !model.removed);
  const running = usable.filter((model) => !IDLE.has(model.state));
  const rest = usable.length - running.length;
  return (
    <section aria-labelledby="engines-title">
      <header className="part-head">
        <h2 id="engines-title" className="part">
          Engines
        </h2>
        <Link to="/models" className="more">
          {running.length > 0 && rest > 0 ? `${rest} further ${rest === 1 ? "model" : "models"}` : "All models"}
        </Link>
      </header>
      {running.length === 0 ? (
        <NoEngine models={usable} />
      ) : (
        <ul className="cards">
          {running.map((model) => (
            <EngineCard
              key={model.name}
              model={model}
              now={now.get(model.name)}
              course={history?.engines[model.name]?.tokensPerSecond ?? []}
            />
          ))}
        </ul>
      )}
    </section>
  );
}

/** All that runs, at a glance. */
export function DashboardPage() {
  useDocumentTitle("Dashboard · Corral");
  const connection = useConnection();
  const models = useQuery<readonly Model[]>({ queryKey: ["models"], queryFn: () => listModels(connection) });
  const { latest, history, ...metrics } = useMetrics("10m");
  const status = useAsked<Status>("status:get");
  const writing = latest?.engines.reduce((sum, { slotsBusy }) => sum + slotsBusy, 0) ?? 0;
  const waiting = latest?.engines.reduce((sum, { queue }) => sum + queue, 0) ?? 0;
  const started = status.data ? (Date.now() - new Date(status.data.startedAt).getTime()) / 1000 : null;
  const facts = [
    latest && `${writing} ${writing === 1 ? "answer" : "answers"} being written`,
    waiting > 0 && `${waiting} waiting`,
    started !== null && `up ${duration(started)}`,
    status.data && `Corral ${status.data.version}`,
  ];
  const error = models.error ?? metrics.error;
  return (
    <div className="page wide dashboard">
      <header className="dashboard-head">
        <h1>Dashboard</h1>
        <p className="hint">{facts.filter(Boolean).join(" · ")}</p>
      </header>
      {error && (
        <p className="error" role="alert">
          {sentence(error)}
        </p>
      )}
      <Machine latest={latest} history={history} />
      <MemoryBar latest={latest} budget={status.data?.memory?.budget ?? null} />
      {models.data && <Engines models={models.data} latest={latest} history={history} />}
      <Downloads />
      <Problems />
    </div>
  );
}
