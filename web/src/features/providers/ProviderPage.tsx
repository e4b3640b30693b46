import { Button, Menu } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { sentence } from "../../api/explain";
import { type Kind, type Provider, TEST, type Test } from "../../api/providers";
import { useEntry } from "../../ui/entry/useEntry";
import { BackIcon, MoreIcon } from "../../ui/icons";
import { useConnection } from "../../ui/live";
import { Tabs } from "../../ui/Tabs";
import { Keys } from "./Keys";
import { ProviderModels } from "./ProviderModels";
import { ProviderSettings } from "./ProviderSettings";
import { RemovedToast, useRemoved } from "./removed";
import { HealthLine, TestResult } from "./TestResult";
import { titleOf, useKinds, useProviders } from "./useProviders";
import { priceWords, stateOf } from "./words";
import "../../ui/controls.css";
import "../../ui/options/options.css";
import "./providers.css";

const TABS = [
  { id: "overview", label: "Overview" },
  { id: "models", label: "Models" },
  { id: "settings", label: "Settings" },
];

function Actions({ provider, onChange }: { provider: Provider; onChange: (provider: Provider) => void }) {
  const live = useConnection();
  const navigate = useNavigate();
  const put = useRemoved((state) => state.put);
  const { name } = provider;
  const turn = useMutation({
    mutationFn: (enabled: boolean) =>
      live.intend<Provider>("providers:save", { name, version: provider.version, changes: { enabled } }),
    onSuccess: onChange,
  });
  const remove = useMutation({
    mutationFn: () => live.intend<{ routes?: readonly string[] }>("providers:delete", { name }),
    onSuccess: ({ routes = [] }) => {
      put({ name, routes });
      void navigate({ to: "/providers" });
    },
  });
  const problem = turn.error ?? remove.error;
  return (
    <>
      <Menu position="bottom-end" shadow="md" transitionProps={{ duration: 120 }}>
        <Menu.Target>
          <Button size="xs" variant="default" aria-label="More" loading={remove.isPending}>
            <MoreIcon />
          </Button>
        </Menu.Target>
        <Menu.Dropdown aria-label="More">
          <Menu.Item disabled={provider.readOnly} onClick={() => turn.mutate(!provider.enabled)}>
            {provider.enabled ? "Turn off" : "Turn on"}
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item disabled={provider.readOnly} onClick={() => remove.mutate()}>
            Remove
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

interface OverviewProps {
  provider: Provider;
  kind: Kind | undefined;
  title: string;
  onChange: (provider: Provider) => void;
}

function Overview({ provider, kind, title, onChange }: OverviewProps) {
  const facts = [
    { label: "Kind", value: title },
    { label: "Address", value: provider.address ?? "" },
    { label: "Last test", value: <HealthLine health={provider.health} /> },
    { label: "Usual prices", value: priceWords(provider.prices) || "not known" },
  ];
  return (
    <>
      {provider.description && <p>{provider.description}</p>}
      <dl className="facts-list">
        {facts.map(({ label, value }) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
        <div>
          <dt>Routes</dt>
          <dd>
            {provider.routes.length === 0 && "none yet"}
            {provider.routes.map((route) => (
              <Link key={route} to="/routes/$name" params={{ name: route }} className="route-link">
                {route}
              </Link>
            ))}
          </dd>
        </div>
      </dl>
      <Keys provider={provider} kind={kind} onChange={onChange} />
    </>
  );
}

interface BodyProps extends OverviewProps {
  tab: string;
  reload: () => Promise<unknown>;
}

function Body({ provider, kind, title, tab, reload, onChange }: BodyProps) {
  const live = useConnection();
  const navigate = useNavigate();
  const { name } = provider;
  const test = useMutation({
    mutationFn: () => live.intend<Test>("providers:test", { name }, TEST),
  });
  const editing = useEntry<Provider>({
    place: `provider:${name}`,
    known: provider,
    reload,
    save: (version, changes) => live.request<Provider>("providers:save", { name, version, changes }),
    onSaved: onChange,
  });
  const { mark, word } = stateOf(provider);
  return (
    <>
      <header className="page-head">
        <div className="provider-title">
          <h1>{name}</h1>
          <span className="state">
            <span className="mark" data-state={mark} aria-hidden="true" />
            {word}
          </span>
          {provider.readOnly && <span className="badge">{provider.source}</span>}
        </div>
        <div className="page-actions">
          <Button size="xs" loading={test.isPending} onClick={() => test.mutate()}>
            Test the connection
          </Button>
          <Actions provider={provider} onChange={onChange} />
        </div>
      </header>
      {provider.problem && <p className="problem">{provider.problem}</p>}
      {test.data && !test.isPending && <TestResult test={test.data} />}
      {test.error && (
        <p role="alert" className="error">
          {sentence(test.error)}
        </p>
      )}
      <Tabs
        label={`About ${name}`}
        tabs={TABS}
        at={tab}
        onPick={(id) => void navigate({ to: "/providers/$name", params: { name }, search: { tab: id }, replace: true })}
      >
        {tab === "overview" && <Overview provider={provider} kind={kind} title={title} onChange={onChange} />}
        {tab === "models" && <ProviderModels provider={provider} onChange={onChange} />}
        {tab === "settings" && <ProviderSettings editing={editing} />}
      </Tabs>
    </>
  );
}

/** One provider: whether it works, its keys, its models with their prices, how it is called. */
export function ProviderPage() {
  const { name = "" } = useParams({ strict: false }) as { name?: string };
  const search = useSearch({ strict: false }) as { tab?: string };
  const tab = TABS.find((one) => one.id === search.tab)?.id ?? "overview";
  useDocumentTitle(`${name} · Corral`);
  const kinds = useKinds();
  const { data, error, isPending, refetch, take } = useProviders();
  const provider = data?.providers.find((one) => one.name === name);
  const kind =
    provider && kinds.data?.kinds.find(({ kind, vendor }) => kind === provider.kind && vendor === provider.vendor);
  return (
    <div className="page wide">
      <Link to="/providers" className="back">
        <BackIcon /> Providers
      </Link>
      {!provider && <h1>{name}</h1>}
      {error && !data && (
        <p role="alert" className="error">
          {sentence(error)}
        </p>
      )}
      {isPending && <p className="hint late">Reading the provider…</p>}
      {data && !provider && <p className="hint">There is no provider of this name.</p>}
      {provider && (
        <Body
          key={name}
          provider={provider}
          kind={kind}
          title={titleOf(kinds.data?.kinds, provider)}
          tab={tab}
          reload={refetch}
          onChange={take}
        />
      )}
      <RemovedToast />
    </div>
  );
}
