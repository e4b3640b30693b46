import { Badge, Button, Progress } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { listModels, modelAction, rescanModels } from "../../api/client";
import type { Model } from "../../api/types";

const COLORS: Record<string, string> = {
  ready: "green",
  busy: "green",
  failed: "red",
  starting: "yellow",
  loading: "yellow",
};

/** Bytes as a short text with its unit. */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(unit > 1 && value < 100 ? 1 : 0)} ${units[unit]}`;
}

function Row({ model }: { model: Model }) {
  const client = useQueryClient();
  const act = useMutation({
    mutationFn: (action: "start" | "stop" | "restart") => modelAction(model.name, action),
    onSettled: () => client.invalidateQueries({ queryKey: ["models"] }),
  });
  const running = model.state === "ready" || model.state === "busy";
  const loading = model.state === "starting" || model.state === "loading";
  const progress = model.engine?.progress ?? model.progress ?? null;
  const error = model.engine?.error ?? model.error ?? null;
  const problem = model.problem ?? act.error?.message ?? (error ? `${error.message} ${error.hint ?? ""}` : null);
  const facts = [
    model.architecture,
    model.quantization,
    model.sizeBytes ? size(model.sizeBytes) : null,
    model.contextLength ? `${model.contextLength.toLocaleString("en")} tokens` : null,
  ];
  return (
    <li className="model" data-testid="model-row">
      <div className="model-main">
        <strong>{model.name}</strong>
        {model.default && <span className="badge">default</span>}
        <Badge variant="light" c="var(--ink)" color={COLORS[model.state] ?? "gray"} data-testid="model-state">
          {model.state}
        </Badge>
        <span className="facts">{facts.filter(Boolean).join(" · ")}</span>
        {loading && (
          <span className="facts">{progress === null ? "Starting…" : `Loading ${Math.floor(progress * 100)} %`}</span>
        )}
      </div>
      <div className="model-actions">
        {!running && !loading && (
          <Button size="xs" disabled={!!model.problem} loading={act.isPending} onClick={() => act.mutate("start")}>
            Start
          </Button>
        )}
        {(running || loading) && (
          <>
            <Button size="xs" variant="default" onClick={() => act.mutate("restart")} disabled={act.isPending}>
              Restart
            </Button>
            <Button size="xs" variant="default" onClick={() => act.mutate("stop")}>
              Stop
            </Button>
          </>
        )}
      </div>
      {loading && progress !== null && <Progress value={progress * 100} aria-label={`Loading ${model.name}`} />}
      {problem && (
        <div className="problem" role="alert">
          {problem}
          {error?.lastLines && error.lastLines.length > 0 && <pre>{error.lastLines.slice(-8).join("\n")}</pre>}
        </div>
      )}
    </li>
  );
}

/** All models with their state, and starting and stopping them. */
export function ModelsPage() {
  const client = useQueryClient();
  const { data, error, isPending } = useQuery({ queryKey: ["models"], queryFn: listModels });
  useDocumentTitle("Models · Corral");
  const rescan = useMutation({
    mutationFn: rescanModels,
    onSettled: () => client.invalidateQueries({ queryKey: ["models"] }),
  });
  return (
    <div className="page">
      <header className="page-head">
        <h1>Models</h1>
        <Button size="xs" variant="default" loading={rescan.isPending} onClick={() => rescan.mutate()}>
          Look again
        </Button>
      </header>
      {isPending && <p className="hint late">Reading the models…</p>}
      {(error ?? rescan.error) && (
        <p role="alert" className="error">
          {(error ?? rescan.error)?.message}
        </p>
      )}
      {data?.length === 0 && <h2 className="empty">No models yet</h2>}
      <ul className="models">
        {data?.map((model) => (
          <Row key={model.name} model={model} />
        ))}
      </ul>
      {data && (
        <p className="hint">
          To add a model, put its .gguf file into the folder <code>models</code> of Corral's data folder (
          <code>corral config show</code> names it), or name another folder in <code>corral.toml</code>. It appears here
          by itself; “Look again” finds it at once.
        </p>
      )}
    </div>
  );
}
