import { useEffect, useState } from "react";
import { sentence } from "../../api/explain";

/** What tells of its list whenever it changes. */
interface Followed<T> {
  list(): Promise<T>;
  subscribe(listener: (listed: T) => void): () => void;
}

/** A source that is opened first, and its list, kept true while the page is shown. */
export function useFollowed<T, S extends Followed<T>>(open: () => Promise<S>) {
  const [source, setSource] = useState<S | null>(null);
  const [listed, setListed] = useState<T | null>(null);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    let left = false;
    let stop = () => {};
    const begin = async () => {
      const made = await open();
      if (left) return;
      setSource(made);
      stop = made.subscribe((now) => setListed(now));
      const now = await made.list();
      setListed(now);
    };
    begin().catch((reason: unknown) => setError(sentence(reason)));
    return () => {
      left = true;
      stop();
    };
  }, [open]);
  return { source, listed, setListed, error };
}
