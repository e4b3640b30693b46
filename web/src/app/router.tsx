import { createRootRoute, createRoute, createRouter, Link, lazyRouteComponent } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { RANGES, type Range } from "../api/metrics";
import { ChatPage } from "../features/chat/ChatPage";
import { Failed } from "./Failed";
import { journal, localTurns, thisDevice } from "./local";
import { Shell } from "./Shell";
import { connection, drafts, outbox, streams, times } from "./services";

const local = { journal, turns: localTurns };
const parts = { connection, drafts, outbox, streams, times, local, device: thisDevice };
const BetterModel = lazy(async () => ({
  default: (await import("../features/models/downloads/BetterModel")).BetterModel,
}));

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => (
    <div className="page">
      <h1>There is no such page</h1>
      <Link to="/">Start a new chat</Link>
    </div>
  ),
});
const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: () => <ChatPage agentId={null} parts={parts} />,
});
const chat = createRoute({
  getParentRoute: () => root,
  path: "/c/$agentId",
  // What shows answers is on its way while the conversation is asked for.
  beforeLoad: () => void import("../ui/markdown/Markdown"),
  component: Conversation,
});
const models = createRoute({
  getParentRoute: () => root,
  path: "/models",
  validateSearch: (search: Record<string, unknown>) => search as Record<string, string | boolean | undefined>,
  component: lazyRouteComponent(() => import("../features/models/ModelsPage"), "ModelsPage"),
});
const downloads = createRoute({
  getParentRoute: () => root,
  path: "/downloads",
  validateSearch: (search: Record<string, unknown>): { repo?: string } => ({ repo: words(search.repo) }),
  component: lazyRouteComponent(() => import("../features/models/downloads/DownloadsPage"), "DownloadsPage"),
});
const configuration = createRoute({
  getParentRoute: () => root,
  path: "/configuration",
  validateSearch: (search: Record<string, unknown>): { tab?: string } => ({ tab: words(search.tab) }),
  component: lazyRouteComponent(() => import("../features/configuration/ConfigurationPage"), "ConfigurationPage"),
});
const settings = createRoute({
  getParentRoute: () => root,
  path: "/settings",
  component: lazyRouteComponent(() => import("../features/settings/SettingsPage"), "SettingsPage"),
});
const device = createRoute({
  getParentRoute: () => root,
  path: "/device",
  component: lazyRouteComponent(() => import("./DeviceRoute"), "DeviceRoute"),
});
const model = createRoute({
  getParentRoute: () => root,
  path: "/models/$name",
  validateSearch: (search: Record<string, unknown>) => search as { tab?: string },
  component: lazyRouteComponent(() => import("../features/models/ModelPage"), "ModelPage"),
});
const dashboard = createRoute({
  getParentRoute: () => root,
  path: "/dashboard",
  component: lazyRouteComponent(() => import("../features/dashboard/DashboardPage"), "DashboardPage"),
});
const monitoring = createRoute({
  getParentRoute: () => root,
  path: "/monitoring",
  validateSearch: (search: Record<string, unknown>): { range?: Range; engine?: string } => ({
    range: RANGES.find((range) => range === search.range),
    engine: words(search.engine),
  }),
  component: lazyRouteComponent(() => import("../features/monitoring/MonitoringPage"), "MonitoringPage"),
});
const logs = createRoute({
  getParentRoute: () => root,
  path: "/logs",
  validateSearch: (search: Record<string, unknown>): LogSearch => ({
    level: words(search.level),
    source: words(search.source),
    text: words(search.text),
    requestId: words(search.requestId),
  }),
  component: lazyRouteComponent(() => import("../features/logs/LogsPage"), "LogsPage"),
});

const providers = createRoute({
  getParentRoute: () => root,
  path: "/providers",
  validateSearch: (search: Record<string, unknown>): { add?: string } => ({ add: words(search.add) }),
  component: lazyRouteComponent(() => import("../features/providers/ProvidersPage"), "ProvidersPage"),
});
const provider = createRoute({
  getParentRoute: () => root,
  path: "/providers/$name",
  validateSearch: (search: Record<string, unknown>): { tab?: string } => ({ tab: words(search.tab) }),
  component: lazyRouteComponent(() => import("../features/providers/ProviderPage"), "ProviderPage"),
});
const routes = createRoute({
  getParentRoute: () => root,
  path: "/routes",
  validateSearch: (search: Record<string, unknown>): { tab?: string; add?: boolean } => ({
    tab: words(search.tab),
    add: search.add === true ? true : undefined,
  }),
  component: lazyRouteComponent(() => import("../features/routes/RoutesPage"), "RoutesPage"),
});
const route = createRoute({
  getParentRoute: () => root,
  path: "/routes/$name",
  component: lazyRouteComponent(() => import("../features/routes/RoutePage"), "RoutePage"),
});
const playground = createRoute({
  getParentRoute: () => root,
  path: "/playground",
  validateSearch: (search: Record<string, unknown>): { model?: string } => ({ model: words(search.model) }),
  component: lazyRouteComponent(() => import("../features/playground/PlaygroundPage"), "PlaygroundPage"),
});

const compatibility = createRoute({
  getParentRoute: () => root,
  path: "/compatibility",
  component: lazyRouteComponent(() => import("../features/compatibility/CompatibilityPage"), "CompatibilityPage"),
});

const debug = createRoute({
  getParentRoute: () => root,
  path: "/debug",
  validateSearch: (search: Record<string, unknown>): DebugSearch => ({
    tab: words(search.tab),
    request: words(search.request),
    turn: words(search.turn),
    kind: KINDS.find((kind) => kind === search.kind),
  }),
  component: lazyRouteComponent(() => import("../features/debug/DebugPage"), "DebugPage"),
});

const KINDS = ["turn", "request", "control"] as const;

interface DebugSearch {
  tab?: string;
  /** The id of a request. */
  request?: string;
  turn?: string;
  kind?: (typeof KINDS)[number];
}

interface LogSearch {
  level?: string;
  source?: string;
  text?: string;
  requestId?: string;
}

/** A text of the address; one that looks like a number was read as one. */
function words(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}

function Conversation() {
  const { agentId } = chat.useParams();
  const offer = (
    <Suspense fallback={null}>
      <BetterModel />
    </Suspense>
  );
  return <ChatPage key={agentId} agentId={agentId} parts={parts} offer={offer} />;
}

export const router = createRouter({
  routeTree: root.addChildren([
    home,
    chat,
    models,
    model,
    downloads,
    device,
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
    compatibility,
    debug,
  ]),
  defaultPreload: "intent",
  defaultErrorComponent: Failed,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
