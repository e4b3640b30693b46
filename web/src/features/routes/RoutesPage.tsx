import { Button } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { sentence } from "../../api/explain";
import type { Route, States } from "../../api/routes";
import { RemovedList } from "../../ui/RemovedList";
import { useStates } from "../../ui/states";
import { Tabs } from "../../ui/Tabs";
import { Limits } from "./Limits";
import { NewRoute } from "./RoutePage";
import { RemovedToast } from "./removed";
import { Usage } from "./Usage";
import { useRoutes } from "./useRoutes";
import { candidateWords, nameOf, routeFacts, stateFor } from "./words";
import "../../ui/controls.css";
import "./routes.css";

const TABS = [
  { id: "routes", label: "Routes" },
  { id: "limits", label: "Limits" },
  { id: "usage", label: "Usage" },
];

function Row({ route, states }: { route: Route; states: States | undefined }) {
  const facts = routeFacts(route);
  return (
    <li data-testid="route-row">
      <div>
        <Link to="/routes/$name" params={{ name: route.name }} className="row-name">
          {route.name}
        </Link>
        {!route.enabled && <span className="badge">off</span>}
        {route.readOnly && <span className="badge">corral.toml</span>}
        {facts && <span className="facts"> {facts}</span>}
        <ol className="chain" aria-label={`Candidates of ${route.name}`}>
          {route.candidates.map((one, at) => {
            const { mark, words } = candidateWords(stateFor(states, route.name, one, Date.now()));
            return (
              // biome-ignore lint/suspicious/noArrayIndexKey: the same candidate may stand twice; its place is what it is
              <li key={at} title={words || undefined}>
                {mark !== "none" && <span className="mark" data-state={mark} aria-hidden="true" />}
                {nameOf(one)}
                {mark === "failed" && <span className="unseen"> {words}</span>}
              </li>
            );
          })}
        </ol>
        {route.problems.map((one) => (
          <p key={one.candidate ?? "mirror"} className="problem">
            {one.message}
          </p>
        ))}
      </div>
    </li>
  );
}

function RouteList() {
  const { data, error, isPending } = useRoutes();
  const states = useStates();
  return (
    <>
      {error && (
        <p role="alert" className="error">
          {sentence(error)}
        </p>
      )}
      {isPending && <p className="hint late">Reading the routes…</p>}
      {data?.routes.length === 0 && (
        <>
          <h2 className="empty">No routes yet</h2>
          <p className="hint">
            A route is a name that clients ask for, with models that answer for it: the next one takes over when one
            fails, even in the middle of an answer. Every model can be asked for without a route too.
          </p>
          <Button renderRoot={(props) => <Link to="/routes" search={{ add: true }} {...props} />}>
            Add the first route
          </Button>
        </>
      )}
      <ul className="rows" aria-label="Routes">
        {data?.routes.map((route) => (
          <Row key={route.name} route={route} states={states} />
        ))}
      </ul>
      {data && <RemovedList removed={data.removed} intent="routes:restore" />}
    </>
  );
}

/** The names that clients ask for, who answers for them, and how much may be asked. */
export function RoutesPage() {
  useDocumentTitle("Routes · Corral");
  const navigate = useNavigate();
  const search = useSearch({ strict: false }) as { tab?: string; add?: boolean };
  const tab = TABS.find((one) => one.id === search.tab)?.id ?? "routes";
  if (search.add) return <NewRoute />;
  return (
    <div className="page wide">
      <header className="page-head">
        <h1>Routes</h1>
        <div className="page-actions">
          {tab === "routes" && (
            <Button size="xs" renderRoot={(props) => <Link to="/routes" search={{ add: true }} {...props} />}>
              Add a route
            </Button>
          )}
        </div>
      </header>
      <Tabs
        label="Routes"
        tabs={TABS}
        at={tab}
        onPick={(id) => void navigate({ to: "/routes", search: { tab: id }, replace: true })}
      >
        {tab === "routes" && <RouteList />}
        {tab === "limits" && <Limits />}
        {tab === "usage" && <Usage />}
      </Tabs>
      <RemovedToast />
    </div>
  );
}
