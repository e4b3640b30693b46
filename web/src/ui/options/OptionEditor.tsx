import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useCallback, useEffect, useMemo, useState } from "react";
import { sentence } from "../../api/explain";
import type { Catalogue, Option, OptionValue, Values } from "../../api/models";
import { Refused } from "../../engine/connection";
import { ConflictDialog, ReviewDialog } from "./Dialogs";
import { changesOf, type Edits, written } from "./form";
import { OptionForm } from "./OptionForm";

export interface SaveRequest {
  version: number;
  changes: Readonly<Record<string, OptionValue | null>>;
  apply: "now" | "next";
}

interface Props {
  /** What is set here; its unsaved changes are kept while other pages are looked at. */
  place: string;
  catalogue: Catalogue;
  options: readonly Option[];
  own: Values;
  inherited: Values;
  from: (key: string) => string;
  /** The version that the own values have. */
  version: number;
  running: boolean;
  save: (request: SaveRequest) => Promise<unknown>;
  /** Reads the own values again. */
  reload: () => Promise<unknown>;
  /** Shown above the fields. It may put values into the form, and say what is wrong with those that are there. */
  children?: (changes: Values, put: (values: Values) => void, blame: (fields: Fields) => void) => ReactNode;
}

type Fields = Readonly<Record<string, string>>;

/** What the changes were begun on: somebody else may save meanwhile. */
interface Base {
  own: Values;
  version: number;
}

const kept = new Map<string, { edits: Edits; base: Base | null }>();

interface Conflict {
  before: Values;
  after: Values;
}

function reasons(error: unknown): Record<string, string> {
  const fields = error instanceof Refused ? error.details.fields : undefined;
  return typeof fields === "object" && fields !== null ? (fields as Record<string, string>) : {};
}

/** How many changes are not saved, in words. */
export function waiting(count: number): string {
  if (count === 0) return "Not saved";
  return count === 1 ? "1 change not saved" : `${count} changes not saved`;
}

/** What an engine wrote that did not start. */
function LastLines({ error }: { error: unknown }) {
  const lines = error instanceof Refused && Array.isArray(error.details.lastLines) ? error.details.lastLines : [];
  return lines.length > 0 ? <pre>{lines.join("\n")}</pre> : null;
}

/** What another person changed, from the details of a refusal. */
function conflictOf(error: unknown): Conflict | null {
  if (!(error instanceof Refused) || error.code !== "conflict" || !error.details.diff) return null;
  const diff = Object.entries(
    error.details.diff as Record<string, { before: OptionValue | null; now: OptionValue | null }>,
  );
  return {
    before: Object.fromEntries(diff.map(([key, change]) => [key, change.before])),
    after: Object.fromEntries(diff.map(([key, change]) => [key, change.now])),
  };
}

/** A form of options with its unsaved changes: reviewed, saved against a version, with every reason beside its field. */
export function OptionEditor(props: Props) {
  const { place, catalogue, options, inherited, from, running, save, reload, children } = props;
  const [edits, setEdits] = useState<Edits>(() => kept.get(place)?.edits ?? {});
  const [base, setBase] = useState<Base | null>(() => kept.get(place)?.base ?? null);
  const { own, version } = base ?? props;
  const [refused, setRefused] = useState<Fields>({});
  const [review, setReview] = useState(false);
  const [conflict, setConflict] = useState<Conflict | null>(null);
  const [done, setDone] = useState(false);
  const { changes, problems } = useMemo(() => changesOf(options, own, edits), [options, own, edits]);
  const clear = () => {
    setEdits({});
    setRefused({});
    setBase(null);
  };
  const edit = useCallback(
    (change: (before: Edits) => Edits) => {
      setBase((known) => known ?? { own: props.own, version: props.version });
      setEdits((before) => {
        const after = change(before);
        setRefused((all) => Object.fromEntries(Object.entries(all).filter(([key]) => before[key] === after[key])));
        return after;
      });
      setDone(false);
    },
    [props.own, props.version],
  );
  const put = useCallback(
    (values: Values) =>
      edit((before) => {
        const after = { ...before };
        for (const option of options) {
          const value = values[option.key];
          if (value === undefined) continue;
          if (written(option, value) === written(option, own[option.key])) delete after[option.key];
          else after[option.key] = written(option, value);
        }
        return after;
      }),
    [edit, options, own],
  );
  const saving = useMutation({
    mutationFn: (apply: "now" | "next") => save({ version, changes, apply }),
    onSuccess: async () => {
      await reload();
      clear();
      setDone(true);
    },
    onError: (error) => {
      setConflict(conflictOf(error));
      setRefused(reasons(error));
    },
    onSettled: () => setReview(false),
  });
  const count = Object.keys(changes).length;
  const wrong = Object.keys(problems).length;
  const dirty = Object.keys(edits).length > 0;
  useEffect(() => {
    if (dirty) kept.set(place, { edits, base });
    else kept.delete(place);
    if (!dirty) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [place, edits, base, dirty]);
  const label = (key: string) => options.find((option) => option.key === key)?.label ?? key;
  const unknown = Object.entries(refused).filter(([key]) => !options.some((option) => option.key === key));
  return (
    <>
      <OptionForm
        catalogue={catalogue}
        options={options}
        own={own}
        inherited={inherited}
        from={from}
        edits={edits}
        onEdit={edit}
        problems={{ ...refused, ...problems }}
      >
        {children?.(changes, put, setRefused)}
      </OptionForm>
      {saving.error && !conflict && (
        <div role="alert" className="error save-error">
          {sentence(saving.error)}
          <LastLines error={saving.error} />
          {unknown.map(([key, reason]) => (
            <div key={key}>
              {key}: {reason}
            </div>
          ))}
        </div>
      )}
      {(dirty || done) && (
        <div className="save-bar" role="status">
          <span>{dirty ? waiting(count) : "Saved ✓"}</span>
          {wrong > 0 && (
            <span className="error">{`${Object.keys(problems).map(label).join(", ")}: not valid yet`}</span>
          )}
          {dirty && (
            <div className="page-actions">
              <Button
                size="xs"
                variant="default"
                onClick={() => {
                  clear();
                  saving.reset();
                }}
              >
                Discard
              </Button>
              <Button size="xs" disabled={count === 0 || wrong > 0} onClick={() => setReview(true)}>
                Review and save
              </Button>
            </div>
          )}
        </div>
      )}
      <ReviewDialog
        opened={review}
        onClose={() => setReview(false)}
        options={options}
        own={own}
        inherited={inherited}
        changes={changes}
        running={running}
        saving={saving.isPending}
        onSave={(apply) => saving.mutate(apply)}
      />
      <ConflictDialog
        opened={conflict !== null}
        options={options}
        inherited={inherited}
        before={conflict?.before ?? {}}
        after={conflict?.after ?? {}}
        both={Object.keys(conflict?.after ?? {})
          .filter((key) => key in changes)
          .map(label)}
        onKeep={() => {
          setConflict(null);
          saving.reset();
          void reload().then(() => setBase(null));
        }}
        onDiscard={() => {
          setConflict(null);
          saving.reset();
          clear();
          void reload();
        }}
      />
    </>
  );
}
