import { Button } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import type { Fit, ModelDetail } from "../../api/models";
import { BackIcon } from "../../ui/icons";
import { useAsked } from "../../ui/live";
import { Tabs } from "../../ui/Tabs";
import "../../ui/controls.css";
import "./models.css";
import { EngineLog } from "./EngineLog";
import { OptionsTab } from "./OptionsTab";
import { Overview } from "./Overview";
import { State } from "./State";
import { TemplatesTab } from "./TemplatesTab";
import { useModelAction, useModels } from "./useModels";

const TABS = [
  { id: "overview", label: "Overview" },
  { id: "options", label: "Options" },
  { id: "templates", label: "Templates" },
  { id: "log", label: "Engine log" },
];

function Actions({ model }: { model: ModelDetail }) {
  const act = useModelAction(model.name);
  const active = ["ready", "busy", "starting", "loading", "sleeping"].includes(model.state);
  const button = (action: "start" | "stop" | "restart", label: string) => (
    <Button
      size="xs"
      variant={action === "start" ? "filled" : "default"}
      disabled={!!model.problem || model.state === "stopping"}
      loading={act.isPending && act.variables === action && action !== "stop"}
      onClick={() => act.mutate(action)}
    >
      {label}
    </Button>
  );
  return (
    <div className="page-actions">
      {active ? (
        <>
          {button("restart", "Restart")}
          {button("stop", "Stop")}
        </>
      ) : (
        button("start", "Start")
      )}
    </div>
  );
}

/** One model: what it is, what it needs, how it is set, what its engine says. */
export function ModelPage() {
  const { name = "" } = useParams({ strict: false }) as { name?: string };
  const search = useSearch({ strict: false }) as { tab?: string };
  const tab = TABS.find((one) => one.id === search.tab)?.id ?? "overview";
  useDocumentTitle(`${name} · Corral`);
  const navigate = useNavigate();
  const rows = useModels();
  const detail = useAsked<ModelDetail>("models:get", { name });
  const row = rows.data?.find((model) => model.name === name);
  const model = detail.data && { ...detail.data, ...row };
  const fit = useAsked<Fit>("models:analyze", { name }, !!model && !model.problem);
  return (
    <div className="page wide">
      <Link to="/models" className="back">
        <BackIcon /> Models
      </Link>
      <header className="page-head">
        <div className="model-title">
          <h1>{name}</h1>
          {model && <State model={model} />}
          {model?.default && <span className="badge">default</span>}
        </div>
        {model && <Actions model={model} />}
      </header>
      {detail.error && !model && (
        <p role="alert" className="error">
          {detail.error.message}
        </p>
      )}
      {detail.isPending && <p className="hint late">Reading the model…</p>}
      {model && (
        <Tabs
          label={`About ${name}`}
          tabs={TABS}
          at={tab}
          onPick={(id) => void navigate({ to: "/models/$name", params: { name }, search: { tab: id }, replace: true })}
        >
          {tab === "options" && <OptionsTab key={name} model={model} reload={detail.refetch} />}
          {tab === "templates" && <TemplatesTab model={model} reload={detail.refetch} />}
          {tab === "log" && <EngineLog name={name} />}
          {tab === "overview" && <Overview model={model} fit={fit.data} />}
        </Tabs>
      )}
    </div>
  );
}
