import { createHashHistory, createRouter } from "@tanstack/react-router";
import { pagesEverywhere, ROUTING, rootWith } from "./everywhere";
import { NeedsServer } from "./NeedsServer";

const root = rootWith(NeedsServer);

/** The pages of the static build. The addresses are behind a #, because a host of plain files knows no others. */
export const router = createRouter({
  ...ROUTING,
  routeTree: root.addChildren([...pagesEverywhere(root)]),
  history: createHashHistory(),
});
