import { useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { patched } from "../../api/providers";
import type { Route, Routes } from "../../api/routes";
import { useAsked, usePush } from "../../ui/live";

const LIST = "routes:list";

/** All routes, kept true by the server's news. */
export function useRoutes() {
  const client = useQueryClient();
  const asked = useAsked<Routes>(LIST);
  const put = useCallback(
    (changed: readonly Route[], removed: readonly string[]) =>
      client.setQueryData<Routes>(
        [LIST, {}],
        (known) => known && { ...known, routes: patched(known.routes, changed, removed) },
      ),
    [client],
  );
  usePush<{ routes?: Route[]; removed?: string[]; full?: boolean }>("routes:changed", (news) => {
    put(news.routes ?? [], news.removed ?? []);
    // What can be had back is not in the news.
    if (news.full || (news.removed?.length ?? 0) > 0) void client.invalidateQueries({ queryKey: [LIST] });
  });
  const take = useCallback(
    (route: Route, former?: string) => put([route], former && former !== route.name ? [former] : []),
    [put],
  );
  return { ...asked, take };
}
