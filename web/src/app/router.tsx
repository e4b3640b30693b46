import { createRoute, createRouter, Link } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { RANGES } from "../api/metrics";
import { page, pagesEverywhere, ROUTING, rootWith } from "./everywhere";

const BetterModel = lazy(async () => ({
  default: (await import("../features/models/downloads/BetterModel")).BetterModel,
}));

function Offer() {
  return (
    <Suspense fallback={null}>
      <BetterModel />
    </Suspense>
  );
}

const root = rootWith(() => (
  <div className="page">
    <h1>There is no such page</h1>
    <Link to="/">Start a new chat</Link>
  </div>
));
const models = createRoute({
  getParentRoute: () => root,
  path: "/models",
  validateSearch: (search: Record<string, unknown>) => search as Record<string, string | boolean | undefined>,
  component: page(async () => (await import("../features/models/ModelsPage")).ModelsPage),
});
const downloads = createRoute({
  getParentRoute: () => root,
  path: "/downloads",
  validateSearch: texts("repo"),
  component: page(async () => (await import("../features/models/downloads/DownloadsPage")).DownloadsPage),
});
const configuration = createRoute({
  getParentRoute: () => root,
  path: "/configuration",
  validateSearch: texts("tab"),
  component: page(async () => (await import("../features/configuration/ConfigurationPage")).ConfigurationPage),
});
const settings = createRoute({
  getParentRoute: () => root,
  path: "/settings",
  component: page(async () => (await import("../features/settings/SettingsPage")).SettingsPage),
});
const model = createRoute({
  getParentRoute: () => root,
  path: "/models/$name",
  validateSearch: (search: Record<string, unknown>) => search as { tab?: string },
  component: page(async () => (await import("../features/models/ModelPage")).ModelPage),
});
const dashboard = createRoute({
  getParentRoute: () => root,
  path: "/dashboard",
  component: page(async () => (await import("../features/dashboard/DashboardPage")).DashboardPage),
});
const monitoring = createRoute({
  getParentRoute: () => root,
  path: "/monitoring",
  validateSearch: (search: Record<string, unknown>) => ({
    ...texts("engine")(search),
    ...oneOf("range", RANGES)(search),
  }),
  component: page(async () => (await import("../features/monitoring/MonitoringPage")).MonitoringPage),
});
const logs = createRoute({
  getParentRoute: () => root,
  path: "/logs",
  validateSearch: texts("level", "source", "text", "requestId"),
  component: page(async () => (await import("../features/logs/LogsPage")).LogsPage),
});

const providers = createRoute({
  getParentRoute: () => root,
  path: "/providers",
  validateSearch: texts("add"),
  component: page(async () => (await import("../features/providers/ProvidersPage")).ProvidersPage),
});
const provider = createRoute({
  getParentRoute: () => root,
  path: "/providers/$name",
  validateSearch: texts("tab"),
  component: page(async () => (await import("../features/providers/ProviderPage")).ProviderPage),
});
const routes = createRoute({
  getParentRoute: () => root,
  path: "/routes",
  validateSearch: (search: Record<string, unknown>) => ({
    ...texts("tab")(search),
    ...oneOf("add", [true])(search),
  }),
  component: page(async () => (await import("../features/routes/RoutesPage")).RoutesPage),
});
const route = createRoute({
  getParentRoute: () => root,
  path: "/routes/$name",
  component: page(async () => (await import("../features/routes/RoutePage")).RoutePage),
});
const playground = createRoute({
  getParentRoute: () => root,
  path: "/playground",
  validateSearch: texts("model"),
  component: page(async () => (await import("../features/playground/PlaygroundPage")).PlaygroundPage),
});

const debug = createRoute({
  getParentRoute: () => root,
  path: "/debug",
  validateSearch: (search: Record<string, unknown>) => ({
    ...texts("tab", "request", "turn")(search),
    ...oneOf("kind", KINDS)(search),
  }),
  component: page(async () => (await import("../features/debug/DebugPage")).DebugPage),
});

const KINDS = ["turn", "request", "control"] as const;

/** Reads these texts of an address; one that looks like a number was read as one. */
function texts<Name extends string>(...names: Name[]) {
  return (search: Record<string, unknown>) => {
    const found: { [name in Name]?: string } = {};
    for (const name of names) {
      const value = search[name];
      found[name] = typeof value === "string" || typeof value === "number" ? String(value) : undefined;
    }
    return found;
  };
}

/** Reads one value of an address that is among these. */
function oneOf<Name extends string, Value>(name: Name, values: readonly Value[]) {
  return (search: Record<string, unknown>) =>
    ({ [name]: values.find((value) => value === search[name]) }) as { [name in Name]?: Value };
}

export const router = createRouter({
  ...ROUTING,
  routeTree: root.addChildren([
    ...pagesEverywhere(root, Offer),
    models,
    model,
    downloads,
    configuration,
    settings,
    dashboard,
    monitoring,
    logs,
    providers,
    provider,
    routes,
    route,
    playground,
    debug,
  ]),
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
