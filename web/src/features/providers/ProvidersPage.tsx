import { Button } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { useMutation } from "@tanstack/react-query";
import { Link, useSearch } from "@tanstack/react-router";
import { sentence } from "../../api/explain";
import { type Provider, TEST, type Test } from "../../api/providers";
import { useConnection } from "../../ui/live";
import { RemovedList } from "../../ui/RemovedList";
import { AddProvider } from "./AddProvider";
import { RemovedToast } from "./removed";
import { TestResult } from "./TestResult";
import { titleOf, useKinds, useProviders } from "./useProviders";
import { facts, stateOf } from "./words";
import "../../ui/controls.css";
import "./providers.css";

function Row({ provider, title }: { provider: Provider; title: string }) {
  const live = useConnection();
  const test = useMutation({
    mutationFn: () => live.intend<Test>("providers:test", { name: provider.name }, TEST),
  });
  const { mark, word } = stateOf(provider);
  return (
    <li data-testid="provider-row">
      <div>
        <Link to="/providers/$name" params={{ name: provider.name }} className="row-name">
          {provider.name}
        </Link>
        <span className="badge">{title}</span>
        {provider.readOnly && <span className="badge">corral.toml</span>}
        <p className="hint row-facts">
          <span className="state">
            <span className="mark" data-state={mark} aria-hidden="true" />
            {word}
          </span>
          {facts(provider)}
        </p>
        {provider.problem && <p className="problem">{provider.problem}</p>}
        {test.data && <TestResult test={test.data} />}
        {test.error && (
          <p role="alert" className="error">
            {sentence(test.error)}
          </p>
        )}
      </div>
      <Button
        size="xs"
        variant="default"
        aria-label={`Test ${provider.name}`}
        loading={test.isPending}
        onClick={() => test.mutate()}
      >
        Test
      </Button>
    </li>
  );
}

/** The services that answer beside this machine's own engines. */
export function ProvidersPage() {
  useDocumentTitle("Providers · Corral");
  const { add } = useSearch({ strict: false }) as { add?: string };
  const kinds = useKinds();
  const { data, error, isPending, take } = useProviders();
  const empty = data?.providers.length === 0;
  if (add !== undefined || empty)
    return (
      <AddProvider
        kinds={kinds.data?.kinds ?? []}
        problem={(kinds.error ?? error)?.message ?? null}
        taken={data?.providers.map(({ name }) => name) ?? []}
        first={empty}
        picked={add ?? ""}
        onAdded={take}
      >
        {empty && <RemovedList removed={data.removed} intent="providers:restore" />}
        <RemovedToast />
      </AddProvider>
    );
  return (
    <div className="page wide">
      <header className="page-head">
        <h1>Providers</h1>
        <div className="page-actions">
          <Button size="xs" renderRoot={(props) => <Link to="/providers" search={{ add: "" }} {...props} />}>
            Add a provider
          </Button>
        </div>
      </header>
      {(error ?? kinds.error) && (
        <p role="alert" className="error">
          {sentence(error ?? kinds.error)}
        </p>
      )}
      {isPending && <p className="hint late">Reading the providers…</p>}
      <ul className="rows" aria-label="Providers">
        {data?.providers.map((provider) => (
          <Row key={provider.name} provider={provider} title={titleOf(kinds.data?.kinds, provider)} />
        ))}
      </ul>
      {data && (
        <p className="hint">
          Any of their models can be asked for as <code>provider/model</code>, or by a name of your own: a{" "}
          <Link to="/routes">route</Link>. This machine’s own engines are the provider <code>local</code>.
        </p>
      )}
      {data && <RemovedList removed={data.removed} intent="providers:restore" />}
      <RemovedToast />
    </div>
  );
}
