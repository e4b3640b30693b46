import { useDocumentTitle } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { Everything, Renewal } from "../../api/config";
import { sentence } from "../../api/explain";
import { useAsked, usePush } from "../../ui/live";
import { Tabs } from "../../ui/Tabs";
import { Defaults } from "./Defaults";
import { History } from "./History";
import { Import } from "./Import";
import { Profiles } from "./Profiles";
import "../../ui/controls.css";
import "./configuration.css";

const TABS = [
  { id: "defaults", label: "All models" },
  { id: "profiles", label: "Profiles" },
  { id: "history", label: "History" },
  { id: "import", label: "Import" },
];

/** What is set for all models, whole sets under names, what was changed when, and taking over older files. */
export function ConfigurationPage() {
  useDocumentTitle("Configuration · Corral");
  const navigate = useNavigate();
  const client = useQueryClient();
  const search = useSearch({ strict: false }) as { tab?: string };
  const tab = TABS.find((one) => one.id === search.tab)?.id ?? "defaults";
  const { data, error, isPending, refetch } = useAsked<Everything>("config:get");
  const refresh = () => void client.invalidateQueries({ queryKey: ["config:get"] });
  usePush("config:changed", refresh);
  usePush<{ renewal: Renewal }>("config:renewal", ({ renewal }) => {
    client.setQueryData<Everything>(["config:get", {}], (known) => known && { ...known, renewal });
    if (!renewal.running) refresh();
  });
  // An engine that starts or stops may no longer be one with earlier settings.
  usePush<{ name: string; state: string }>("models:status", ({ name, state }) => {
    if (data?.pending.includes(name) && ["stopped", "starting", "failed"].includes(state)) refresh();
  });
  return (
    <div className="page wide">
      <header className="page-head">
        <h1>Configuration</h1>
      </header>
      <Tabs
        label="Configuration"
        tabs={TABS}
        at={tab}
        onPick={(id) => void navigate({ to: "/configuration", search: { tab: id }, replace: true })}
      >
        {tab === "defaults" && isPending && <p className="hint late">Reading the configuration…</p>}
        {tab === "defaults" && error && !data && (
          <p role="alert" className="error">
            {sentence(error)}
          </p>
        )}
        {tab === "defaults" && data && <Defaults everything={data} reload={refetch} />}
        {tab === "profiles" && <Profiles />}
        {tab === "history" && <History />}
        {tab === "import" && <Import />}
      </Tabs>
    </div>
  );
}
