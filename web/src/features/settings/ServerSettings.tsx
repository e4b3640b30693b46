import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import type { AppSetting, Everything } from "../../api/config";
import { sentence } from "../../api/explain";
import type { Option, OptionValue } from "../../api/models";
import { listModels } from "../../api/models";
import type { Model } from "../../api/types";
import { Refused } from "../../engine/connection";
import { useAsked, useConnection, usePush } from "../../ui/live";
import { changesOf, type Edits, told } from "../../ui/options/form";
import { waiting } from "../../ui/options/OptionEditor";
import { OptionField } from "../../ui/options/OptionField";
import { asOption, sections, sourceOf } from "./settings";

/** A default that somebody chose: the file's value counts as set here, anything else as inherited. */
const fromFile = (setting: AppSetting) => sourceOf(setting) === "corral.toml";

function noteOf(setting: AppSetting, option: Option): string | null {
  if (setting.pending) return `Counts after a restart of the server; until then ${told(option, setting.running)}.`;
  return setting.restart && setting.editable ? "A change needs a restart of the server." : null;
}

/** The settings of the server program, each with its source and what a change asks for. */
export function ServerSettings() {
  const live = useConnection();
  const client = useQueryClient();
  const { data, error, isPending } = useAsked<Everything>("config:get");
  const models = useQuery<readonly Model[]>({ queryKey: ["models"], queryFn: () => listModels(live) });
  const [edits, setEdits] = useState<Edits>({});
  const [done, setDone] = useState(false);
  const refresh = () => client.invalidateQueries({ queryKey: ["config:get"] });
  usePush("config:changed", () => void refresh());
  const rows = useMemo(() => data?.settings ?? [], [data]);
  const fields = useMemo(() => {
    const names = (models.data ?? []).filter((model) => !model.problem).map((model) => model.name);
    return rows.map((setting) => {
      const option = asOption(setting);
      return setting.setting === "default_model" ? { ...option, kind: "choice" as const, choices: names } : option;
    });
  }, [rows, models.data]);
  const own = Object.fromEntries(rows.filter(fromFile).map((setting) => [setting.name, setting.value]));
  const { changes, problems } = changesOf(fields, own, edits);
  const save = useMutation({
    mutationFn: (appConfig: Record<string, OptionValue | null>) => live.request("config:save", { appConfig }),
    onSuccess: async () => {
      await refresh();
      setEdits({});
      setDone(true);
    },
  });
  const refused =
    save.error instanceof Refused ? (save.error.details.fields as Record<string, string> | undefined) : undefined;
  const edit = useCallback((key: string, value: string | null | undefined) => {
    setDone(false);
    setEdits((before) => {
      const { [key]: _, ...rest } = before;
      return value === undefined ? rest : { ...rest, [key]: value };
    });
  }, []);
  const field = (setting: AppSetting) => {
    const option = fields.find((one) => one.key === setting.name);
    if (!option) return null;
    return (
      <OptionField
        key={setting.name}
        option={option}
        own={own[setting.name]}
        inherited={fromFile(setting) ? setting.default : setting.value}
        from={fromFile(setting) ? "the default" : sourceOf(setting)}
        edit={edits[setting.name]}
        problem={problems[setting.name] ?? refused?.[setting.name]}
        locked={setting.editable ? null : `It ${setting.reason ?? "cannot be changed here"}.`}
        note={noteOf(setting, option)}
        onEdit={edit}
      />
    );
  };
  const count = Object.keys(changes).length;
  const dirty = Object.keys(edits).length > 0;
  return (
    <>
      {isPending && <p className="hint late">Reading the settings…</p>}
      {error && !data && (
        <p role="alert" className="error">
          {sentence(error)}
        </p>
      )}
      {rows.length > 0 && (
        <>
          <p className="hint setting-note">
            Written to <code>corral.toml</code>. Variables of the environment and flags of the command line go before
            it.
          </p>
          {sections(rows.filter((setting) => setting.editable)).map((section) => (
            <section key={section.title} aria-label={section.title} className="setting-section">
              <h2>{section.title}</h2>
              {section.settings.map(field)}
            </section>
          ))}
          <details className="setting-section">
            <summary>Set where the server is started</summary>
            {rows.filter((setting) => !setting.editable).map(field)}
          </details>
        </>
      )}
      {save.error && (
        <p role="alert" className="error">
          {sentence(save.error)}
        </p>
      )}
      {(dirty || done) && (
        <div className="save-bar" role="status">
          <span>{dirty ? waiting(count) : "Saved ✓"}</span>
          {dirty && (
            <div className="page-actions">
              <Button size="xs" variant="default" onClick={() => setEdits({})}>
                Discard
              </Button>
              <Button
                size="xs"
                loading={save.isPending}
                disabled={count === 0 || Object.keys(problems).length > 0}
                onClick={() => save.mutate(changes)}
              >
                Save
              </Button>
            </div>
          )}
        </div>
      )}
    </>
  );
}
