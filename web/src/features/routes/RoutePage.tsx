import { Button, Menu } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { type ReactNode, useRef } from "react";
import { sentence } from "../../api/explain";
import { NEW_ROUTE, type Route } from "../../api/routes";
import { SaveBar } from "../../ui/entry/SaveBar";
import { useEntry } from "../../ui/entry/useEntry";
import { BackIcon, MoreIcon } from "../../ui/icons";
import { useConnection } from "../../ui/live";
import { useStates } from "../../ui/states";
import { RouteForm } from "./RouteForm";
import { RemovedToast, useRemoved } from "./removed";
import { TryRoute } from "./TryRoute";
import { useRoutes } from "./useRoutes";
import "../../ui/controls.css";
import "../../ui/options/options.css";
import "./routes.css";

function Actions({ route }: { route: Route }) {
  const live = useConnection();
  const navigate = useNavigate();
  const put = useRemoved((state) => state.put);
  const remove = useMutation({
    mutationFn: () => live.intend("routes:delete", { name: route.name }),
    onSuccess: () => {
      put(route.name);
      void navigate({ to: "/routes" });
    },
  });
  return (
    <div className="page-actions">
      <Menu position="bottom-end" shadow="md" transitionProps={{ duration: 120 }}>
        <Menu.Target>
          <Button size="xs" variant="default" aria-label="More" loading={remove.isPending}>
            <MoreIcon />
          </Button>
        </Menu.Target>
        <Menu.Dropdown aria-label="More">
          <Menu.Item disabled={route.readOnly} onClick={() => remove.mutate()}>
            Remove
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {remove.error && (
        <p role="alert" className="error">
          {sentence(remove.error)}
        </p>
      )}
    </div>
  );
}

function Frame({ children }: { children: ReactNode }) {
  return (
    <div className="page wide route">
      <Link to="/routes" className="back">
        <BackIcon /> Routes
      </Link>
      {children}
      <RemovedToast />
    </div>
  );
}

function useRouteEntry(route: Route, reload: () => Promise<unknown>, take: (route: Route, former?: string) => void) {
  const live = useConnection();
  const navigate = useNavigate();
  const isNew = route.version === 0;
  const latest = useRef("");
  const editing = useEntry<Route>({
    place: `route:${route.name}`,
    known: route,
    reload,
    save: (version, changes) => {
      const { name, ...rest } = changes;
      // A new route has its name from the start; one that is there is renamed by a change.
      if (isNew) return live.request<Route>("routes:save", { name: name ?? "", version, changes: rest });
      return live.request<Route>("routes:save", { name: route.name, version, changes });
    },
    onSaved: (saved) => {
      take(saved, isNew ? undefined : route.name);
      latest.current = saved.name;
      if (saved.name !== route.name)
        void navigate({ to: "/routes/$name", params: { name: saved.name }, replace: true });
    },
  });
  return editing;
}

interface BodyProps {
  route: Route;
  reload: () => Promise<unknown>;
  take: (route: Route, former?: string) => void;
}

function Body({ route, reload, take }: BodyProps) {
  const states = useStates();
  const editing = useRouteEntry(route, reload, take);
  return (
    <>
      <header className="page-head">
        <div className="route-title">
          <h1>{route.name}</h1>
          {!route.enabled && <span className="badge">off</span>}
          {route.readOnly && <span className="badge">{route.source}</span>}
        </div>
        <Actions route={route} />
      </header>
      {route.readOnly && (
        <p className="hint">
          Written in <code>{route.source}</code>, so it is changed there.
        </p>
      )}
      {route.shadows && (
        <p className="hint">
          A model of this machine has the same name. It can be asked for as <code>local/{route.name}</code>.
        </p>
      )}
      <RouteForm editing={editing} known={route} states={states} />
      <TryRoute name={route.name} unsaved={editing.dirty} />
      <SaveBar editing={editing} />
    </>
  );
}

/** One route: who answers in which order, what happens to requests on the way, and how everybody fares just now. */
export function RoutePage() {
  const { name = "" } = useParams({ strict: false }) as { name?: string };
  useDocumentTitle(`${name} · Corral`);
  const { data, error, isPending, refetch, take } = useRoutes();
  const route = data?.routes.find((one) => one.name === name);
  return (
    <Frame>
      {!route && <h1>{name}</h1>}
      {error && !data && (
        <p role="alert" className="error">
          {sentence(error)}
        </p>
      )}
      {isPending && <p className="hint late">Reading the route…</p>}
      {data && !route && <p className="hint">There is no route of this name.</p>}
      {route && <Body key={name} route={route} reload={refetch} take={take} />}
    </Frame>
  );
}

/** A route that is not there yet. */
export function NewRoute() {
  useDocumentTitle("Add a route · Corral");
  const { refetch, take } = useRoutes();
  const editing = useRouteEntry(NEW_ROUTE, refetch, take);
  const { name, candidates } = editing.value;
  const missing = name.trim() === "" ? "It needs a name." : candidates.length === 0 ? "It needs a candidate." : null;
  return (
    <Frame>
      <header className="page-head">
        <h1>Add a route</h1>
      </header>
      <RouteForm editing={editing} known={NEW_ROUTE} states={undefined} />
      {missing && editing.dirty && <p className="hint">{missing}</p>}
      <SaveBar editing={{ ...editing, wrong: editing.wrong || missing !== null }} label="Add the route" />
    </Frame>
  );
}
