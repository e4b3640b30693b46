import { createRootRoute, createRoute, lazyRouteComponent, type RouteComponent } from "@tanstack/react-router";
import type { ComponentType } from "react";
import { ChatPage } from "../features/chat/ChatPage";
import { Failed } from "./Failed";
import { journal, localTurns, thisDevice } from "./local";
import { Shell } from "./Shell";
import { connection, drafts, outbox, streams, times } from "./services";

const local = { journal, turns: localTurns };
const parts = { connection, drafts, outbox, streams, times, local, device: thisDevice };

/** What the routers of both builds do alike. */
export const ROUTING = { defaultPreload: "intent", defaultErrorComponent: Failed } as const;

/** The frame around all pages; `NotFound` is shown for addresses that have none. */
export const rootWith = (NotFound: RouteComponent) =>
  createRootRoute({ component: Shell, notFoundComponent: NotFound });

/** A page beside the chats: it and Mantine's theme and styles, which the chats do without, are loaded when it is first shown. */
export const page = (load: () => Promise<ComponentType>) =>
  lazyRouteComponent(async () => {
    // The page's own styles come after those of the theme.
    const [{ Themed }, Page] = await Promise.all([import("../ui/Themed"), load()]);
    const Whole = () => (
      <Themed>
        <Page />
      </Themed>
    );
    return { Whole };
  }, "Whole");

/** The pages that both builds have. `Offer` is shown above a conversation, where there is one. */
export function pagesEverywhere(root: ReturnType<typeof rootWith>, Offer?: ComponentType) {
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
    component: () => {
      const { agentId } = chat.useParams();
      return <ChatPage key={agentId} agentId={agentId} parts={parts} offer={Offer && <Offer />} />;
    },
  });
  const device = createRoute({
    getParentRoute: () => root,
    path: "/device",
    component: page(async () => (await import("./DeviceRoute")).DeviceRoute),
  });
  const compatibility = createRoute({
    getParentRoute: () => root,
    path: "/compatibility",
    component: page(async () => (await import("../features/compatibility/CompatibilityPage")).CompatibilityPage),
  });
  return [home, chat, device, compatibility] as const;
}
