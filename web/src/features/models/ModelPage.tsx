import { Button, Menu } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { sentence } from "../../api/explain";
import type { Fit, ModelDetail } from "../../api/models";
import { BackIcon, MoreIcon } from "../../ui/icons";
import { useAsked, useConnection, usePush } from "../../ui/live";
import { Tabs } from "../../ui/Tabs";
import "../../ui/controls.css";
import "./models.css";
import { DeletedToast, useDeleted } from "./deleted";
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

function More({ model, reload }: { model: ModelDetail; reload: () => Promise<unknown> }) {
  const live = useConnection();
  const navigate = useNavigate();
  const put = useDeleted((state) => state.put);
  const remove = useMutation({
    mutationFn: (file: boolean) => live.intend("models:delete", { name: model.name, file }, 120_000),
    onSuccess: (_, file) => {
      put({ name: model.name, file });
      if (file) void navigate({ to: "/models" });
      else void reload();
    },
  });
  const choose = useMutation({
    mutationFn: () => live.intend("config:save", { appConfig: { defaultModel: model.name } }),
  });
  const problem = remove.error ?? choose.error;
  return (
    <>
      <Menu position="bottom-end" shadow="md" transitionProps={{ duration: 120 }}>
        <Menu.Target>
          <Button size="xs" variant="default" aria-label="More" loading={remove.isPending}>
            <MoreIcon />
          </Button>
        </Menu.Target>
        <Menu.Dropdown aria-label="More">
          <Menu.Item disabled={model.default || !!model.problem} onClick={() => choose.mutate()}>
            Use for new chats
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item disabled={!model.changed} onClick={() => remove.mutate(false)}>
            Delete what is set for it
          </Menu.Item>
          <Menu.Item disabled={!!model.included || !model.path} onClick={() => remove.mutate(true)}>
            Move the file to the trash
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {problem && (
        <p role="alert" className="error">
          {sentence(problem)}
        </p>
      )}
    </>
  );
}

function Actions({ model, reload }: { model: ModelDetail; reload: () => Promise<unknown> }) {
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
      <More model={model} reload={reload} />
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
  usePush<{ scope?: string; name?: string }>("config:changed", (news) => {
    if (news.scope !== "model" || news.name === name) void detail.refetch();
  });
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
        {model && <Actions model={model} reload={detail.refetch} />}
      </header>
      <DeletedToast />
      {detail.error && !model && (
        <p role="alert" className="error">
          {sentence(detail.error)}
        </p>
      )}
      {detail.isPending && <p className="hint late">Reading the model…</p>}
      {model?.problem && (
        <p role="alert" className="error">
          It cannot be used: {model.problem}. Another file put in its place is noticed by itself.
        </p>
      )}
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
