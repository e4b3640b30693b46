import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { type Kind, type Provider, type Providers, patched } from "../../api/providers";
import { LOCAL } from "../../api/routes";
import { useAsked, usePush } from "../../ui/live";

const LIST = "providers:list";

/** All providers, kept true by the server's news. */
export function useProviders() {
  const client = useQueryClient();
  const asked = useAsked<Providers>(LIST);
  const put = useCallback(
    (change: (known: Providers) => Providers) =>
      client.setQueryData<Providers>([LIST, {}], (known) => known && change(known)),
    [client],
  );
  usePush<{ providers?: Provider[]; removed?: string[]; full?: boolean }>("providers:changed", (news) => {
    put((known) => ({ ...known, providers: patched(known.providers, news.providers, news.removed) }));
    // What can be had back is not in the news.
    if (news.full || (news.removed?.length ?? 0) > 0) void client.invalidateQueries({ queryKey: [LIST] });
  });
  const take = useCallback(
    (provider: Provider) => put((known) => ({ ...known, providers: patched(known.providers, [provider], []) })),
    [put],
  );
  // The engines of this machine are the pages of models.
  const data = useMemo(
    () => asked.data && { ...asked.data, providers: asked.data.providers.filter(({ name }) => name !== LOCAL) },
    [asked.data],
  );
  return { ...asked, data, take };
}

/** What can be added. */
export function useKinds() {
  return useAsked<{ kinds: readonly Kind[] }>("providers:kinds");
}

/** The title of a provider's kind, such as OpenRouter. */
export function titleOf(kinds: readonly Kind[] | undefined, provider: Pick<Provider, "kind" | "vendor">): string {
  const exact = kinds?.find((one) => one.kind === provider.kind && one.vendor === provider.vendor);
  return (exact ?? kinds?.find((one) => one.kind === provider.kind))?.title ?? provider.kind;
}
