import { createRootRoute, createRoute, createRouter, Link, lazyRouteComponent } from "@tanstack/react-router";
import { ChatPage } from "../features/chat/ChatPage";
import { Shell } from "./Shell";
import { connection, drafts, outbox, streams } from "./services";

const parts = { connection, drafts, outbox, streams };

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
const chat = createRoute({ getParentRoute: () => root, path: "/c/$agentId", component: Conversation });
const models = createRoute({
  getParentRoute: () => root,
  path: "/models",
  validateSearch: (search: Record<string, unknown>) => search as Record<string, string | boolean | undefined>,
  component: lazyRouteComponent(() => import("../features/models/ModelsPage"), "ModelsPage"),
});
const model = createRoute({
  getParentRoute: () => root,
  path: "/models/$name",
  validateSearch: (search: Record<string, unknown>) => search as { tab?: string },
  component: lazyRouteComponent(() => import("../features/models/ModelPage"), "ModelPage"),
});

function Conversation() {
  const { agentId } = chat.useParams();
  return <ChatPage key={agentId} agentId={agentId} parts={parts} />;
}

export const router = createRouter({
  routeTree: root.addChildren([home, chat, models, model]),
  defaultPreload: "intent",
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
