import { useMutation } from "@tanstack/react-query";
import { useCallback, useEffect, useState } from "react";
import { changesOf, conflictOf, type Difference, type Reasons, reasonFor, reasonsOf, unreadable } from "./entry";

interface Versioned {
  version: number;
}

interface Options<T> {
  /** Where it is edited: unsaved changes are kept under it while other pages are looked at. */
  place: string;
  /** The entry as the server has it. */
  known: T;
  save: (version: number, changes: Partial<T>) => Promise<T>;
  /** Reads the entry again. */
  reload: () => Promise<unknown>;
  onSaved?: (entry: T) => void;
}

/** An entry with its unsaved changes. */
export interface Editing<T> {
  /** The entry with the changes in it. */
  value: T;
  set: (part: Partial<T>) => void;
  changes: Partial<T>;
  dirty: boolean;
  /** Whether something that was typed cannot be read. */
  wrong: boolean;
  saved: boolean;
  saving: boolean;
  error: Error | null;
  reasons: Reasons;
  /** Why a field was refused. */
  reason: (path: string) => string | undefined;
  conflict: readonly Difference[] | null;
  save: () => void;
  discard: () => void;
  /** After a conflict: goes on from what the server has now, with the own changes or without them. */
  settle: (keep: boolean) => void;
}

interface Kept {
  edits: object;
  base: Versioned;
}

const kept = new Map<string, Kept>();

/** Edits an entry: changes are collected, saved against the version that they were begun on, and refused field by field. */
export function useEntry<T extends Versioned>({ place, known, save, reload, onSaved }: Options<T>): Editing<T> {
  const [edits, setEdits] = useState<Partial<T>>(() => (kept.get(place)?.edits ?? {}) as Partial<T>);
  const [base, setBase] = useState<T | null>(() => (kept.get(place)?.base ?? null) as T | null);
  const [saved, setSaved] = useState(false);
  const from = base ?? known;
  const changes = changesOf(from, edits);
  const dirty = Object.keys(changes).length > 0;
  const clear = () => {
    setEdits({});
    setBase(null);
    kept.delete(place);
  };
  const saving = useMutation({
    mutationFn: () => save(from.version, changes),
    onSuccess: (entry) => {
      clear();
      setSaved(true);
      onSaved?.(entry);
    },
  });
  const set = useCallback(
    (part: Partial<T>) => {
      setSaved(false);
      setBase((before) => before ?? known);
      setEdits((before) => ({ ...before, ...part }));
    },
    [known],
  );
  useEffect(() => {
    if (!dirty) {
      kept.delete(place);
      return;
    }
    kept.set(place, { edits, base: base ?? known });
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [place, edits, base, known, dirty]);
  const reasons = dirty ? reasonsOf(saving.error) : {};
  return {
    value: { ...from, ...edits },
    set,
    changes,
    dirty,
    wrong: unreadable(edits),
    saved,
    saving: saving.isPending,
    error: dirty ? saving.error : null,
    reasons,
    reason: (path) => reasonFor(reasons, path),
    conflict: dirty ? conflictOf(saving.error) : null,
    save: () => saving.mutate(),
    discard: () => {
      clear();
      saving.reset();
    },
    settle: (keep) => {
      saving.reset();
      if (!keep) clear();
      void reload().then(() => setBase(null));
    },
  };
}
