import { useEffect, useState } from "react";
import { sentence } from "../../api/explain";
import type { OwnKeys } from "../../engine/keys/own";
import type { OwnProvider } from "../../engine/keys/types";

/** The person's own providers, kept true while the page is shown. */
export function useOwnKeys(open: () => Promise<OwnKeys>) {
  const [keys, setKeys] = useState<OwnKeys | null>(null);
  const [providers, setProviders] = useState<readonly OwnProvider[] | null>(null);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    let left = false;
    let stop = () => {};
    const begin = async () => {
      const made = await open();
      if (left) return;
      setKeys(made);
      stop = made.subscribe(setProviders);
      setProviders(await made.list());
    };
    begin().catch((reason: unknown) => setError(sentence(reason)));
    return () => {
      left = true;
      stop();
    };
  }, [open]);
  return { keys, providers, error };
}
