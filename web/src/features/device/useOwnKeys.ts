import type { OwnKeys } from "../../engine/keys/own";
import type { OwnProvider } from "../../engine/keys/types";
import { useFollowed } from "./useFollowed";

/** The person's own providers, kept true while the page is shown. */
export function useOwnKeys(open: () => Promise<OwnKeys>) {
  const { source: keys, listed: providers, error } = useFollowed<readonly OwnProvider[], OwnKeys>(open);
  return { keys, providers, error };
}
