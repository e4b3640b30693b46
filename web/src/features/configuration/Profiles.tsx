import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useRef, useState } from "react";
import type { Activated, Profile } from "../../api/config";
import { sentence } from "../../api/explain";
import type { Catalogue } from "../../api/models";
import { ago } from "../../ui/format";
import { useAsked, useConnection, usePush } from "../../ui/live";
import { Toast } from "../../ui/Toast";
import { Refusal } from "./Refusal";

const counted = (count: number, word: string) => `${count} ${count === 1 ? word : `${word}s`}`;

/** What a profile sets, in a few words. */
function summary(profile: Profile): string {
  const models = Object.keys(profile.models).length;
  const options = Object.keys(profile.server).length;
  return `${counted(options, "option")} for all models, own settings of ${counted(models, "model")}`;
}

/** Deletes some seconds after it was asked for, or when the page is left; until then it can be taken back. */
function useLateDelete(remove: (name: string) => void) {
  const [name, setName] = useState<string | null>(null);
  const latest = useRef({ name, remove });
  useEffect(() => {
    latest.current = { name, remove };
  });
  useEffect(
    () => () => {
      if (latest.current.name) latest.current.remove(latest.current.name);
    },
    [],
  );
  return {
    name,
    ask: (next: string) => {
      if (name) remove(name);
      setName(next);
    },
    undo: () => setName(null),
    finish: () => {
      if (name) remove(name);
      setName(null);
    },
  };
}

/** What a switch, or its undoing, did not reach. */
function Outcome({ done, text }: { done: Activated; text: string }) {
  return (
    <div role="status" className="hint">
      {text}
      {done.ok ? "." : ", except:"}
      {done.results
        .filter((result) => !result.ok)
        .map((result) => (
          <div key={result.name} className="error">
            {result.name || "All models"}: {result.error}
          </div>
        ))}
    </div>
  );
}

/** All that is set, under names, to be switched as a whole. */
export function Profiles() {
  const live = useConnection();
  const client = useQueryClient();
  const { data, error } = useAsked<{ profiles: Profile[]; active: string | null }>("profiles:list");
  const [name, setName] = useState("");
  const refresh = () => client.invalidateQueries();
  usePush("config:changed", () => void client.invalidateQueries({ queryKey: ["profiles:list"] }));
  const save = useMutation({
    mutationFn: (profile: string) => live.intend("profiles:save", { name: profile }),
    onSuccess: () => setName(""),
    onSettled: refresh,
  });
  const catalogue = useAsked<Catalogue>("options:list");
  const [undoable, setUndoable] = useState<{ name: string; change: string } | null>(null);
  const undo = useMutation({
    mutationFn: (change: string) => live.intend<Activated>("config:rollback", { id: change }, 600_000),
    onMutate: () => setUndoable(null),
    onSettled: refresh,
  });
  const activate = useMutation({
    mutationFn: (profile: string) => live.intend<Activated>("profiles:activate", { name: profile }, 600_000),
    onMutate: () => undo.reset(),
    onSuccess: ({ change }, name) => setUndoable(change === null ? null : { name, change }),
    onSettled: refresh,
  });
  const remove = useMutation({
    mutationFn: (profile: string) => live.intend("profiles:delete", { name: profile }),
    onSettled: refresh,
  });
  const late = useLateDelete((profile) => remove.mutate(profile));
  const problem = error ?? save.error ?? activate.error ?? remove.error;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() !== "") save.mutate(name.trim());
  };
  const shown = data?.profiles.filter((profile) => profile.name !== late.name);
  return (
    <>
      <p className="hint">
        A profile holds all that is set now, for all models and for each. Switching to one sets everything as it was
        kept; that can be undone at once, and later from the history.
      </p>
      {problem && (
        <p role="alert" className="error">
          {sentence(problem)}
        </p>
      )}
      {shown?.length === 0 && <h2 className="empty">No profiles yet</h2>}
      <ul className="rows">
        {shown?.map((profile) => (
          <li key={profile.name}>
            <div>
              <strong>{profile.name}</strong>{" "}
              {data?.active === profile.name && <span className="badge">last used</span>}
              <p className="hint">
                {summary(profile)} · kept{" "}
                <time dateTime={profile.updatedAt} title={new Date(profile.updatedAt).toLocaleString("en")}>
                  {ago(new Date(profile.updatedAt), new Date())}
                </time>
              </p>
            </div>
            <div className="page-actions">
              <Button
                size="xs"
                variant="default"
                aria-label={`Delete ${profile.name}`}
                onClick={() => late.ask(profile.name)}
              >
                Delete
              </Button>
              <Button
                size="xs"
                variant="default"
                aria-label={`Update ${profile.name} to what is set now`}
                onClick={() => save.mutate(profile.name)}
              >
                Update
              </Button>
              <Button
                size="xs"
                aria-label={`Switch to ${profile.name}`}
                loading={activate.isPending && activate.variables === profile.name}
                onClick={() => activate.mutate(profile.name)}
              >
                Switch
              </Button>
            </div>
          </li>
        ))}
      </ul>
      {undo.error && <Refusal error={undo.error} options={catalogue.data?.options ?? []} />}
      {undo.data ? (
        <Outcome done={undo.data} text="What held before the switch is set again" />
      ) : (
        activate.data && <Outcome done={activate.data} text={`“${activate.data.active}” is set`} />
      )}
      <form className="inline-form" onSubmit={submit}>
        <label htmlFor="profile-name">Keep all that is set now as a profile</label>
        <input
          id="profile-name"
          className="control"
          placeholder="Name"
          maxLength={100}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Button size="xs" type="submit" disabled={name.trim() === ""} loading={save.isPending}>
          Keep profile
        </Button>
      </form>
      {late.name && <Toast text={`Profile “${late.name}” deleted`} onUndo={late.undo} onClose={late.finish} />}
      {!late.name && undoable && (
        <Toast
          key={undoable.change}
          text={`Switched to “${undoable.name}”`}
          onUndo={() => undo.mutate(undoable.change)}
          onClose={() => setUndoable(null)}
        />
      )}
    </>
  );
}
