import {
  createHashHistory,
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
} from "@tanstack/react-router";
import { ChatPage } from "../features/chat/ChatPage";
import { Failed } from "./Failed";
import { journal, localTurns, thisDevice } from "./local";
import { NeedsServer } from "./NeedsServer";
import { Shell } from "./Shell";
import { connection, drafts, outbox, streams, times } from "./services";

const local = { journal, turns: localTurns };
const parts = { connection, drafts, outbox, streams, times, local, device: thisDevice };

const root = createRootRoute({ component: Shell, notFoundComponent: NeedsServer });
const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: () => <ChatPage agentId={null} parts={parts} />,
});
const chat = createRoute({
  getParentRoute: () => root,
  path: "/c/$agentId",
  beforeLoad: () => void import("../ui/markdown/Markdown"),
  component: Conversation,
});
const device = createRoute({
  getParentRoute: () => root,
  path: "/device",
  component: lazyRouteComponent(() => import("./DeviceRoute"), "DeviceRoute"),
});
const compatibility = createRoute({
  getParentRoute: () => root,
  path: "/compatibility",
  component: lazyRouteComponent(() => import("../features/compatibility/CompatibilityPage"), "CompatibilityPage"),
});

function Conversation() {
  const { agentId } = chat.useParams();
  return <ChatPage key={agentId} agentId={agentId} parts={parts} />;
}

/** The pages of the static build. The addresses are behind a #, because a host of plain files knows no others. */
export const router = createRouter({
  routeTree: root.addChildren([home, chat, device, compatibility]),
  history: createHashHistory(),
  defaultPreload: "intent",
  defaultErrorComponent: Failed,
});
