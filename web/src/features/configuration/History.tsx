import { Button } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Change } from "../../api/config";
import { sentence } from "../../api/explain";
import type { Catalogue, Option } from "../../api/models";
import { ago } from "../../ui/format";
import { useAsked, useConnection, usePush } from "../../ui/live";
import { told } from "../../ui/options/form";
import { Refusal } from "./Refusal";

const SCOPES = [
  { value: "", label: "All changes" },
  { value: "model", label: "Models" },
  { value: "server", label: "All models" },
  { value: "app", label: "Settings of the server" },
  { value: "template", label: "Templates" },
  { value: "profile", label: "Profiles" },
];
const ACTIONS: Record<string, string> = {
  save: "saved",
  rollback: "rolled back",
  template: "template applied",
  profile: "profile applied",
  import: "imported",
  delete: "deleted",
  restore: "restored",
  activate: "switched to",
  undo: "switch undone",
};

/** What was changed, in words. */
function title(change: Change): string {
  if (change.scope === "server") return "All models";
  if (change.scope === "app") return "Settings of the server";
  const kind = { template: "Template ", profile: "Profile " }[change.scope] ?? "";
  return `${kind}${change.name}`;
}

/** What a switch reaches, in words. */
function reach({ models, server }: NonNullable<Change["undo"]>): string {
  const own = models === 0 ? null : models === 1 ? "1 model" : `${models} models`;
  return [server ? "what is set for all models" : null, own].filter(Boolean).join(" and ");
}

function Details({ change, options }: { change: Change; options: readonly Option[] }) {
  const keys = [...new Set([...Object.keys(change.before), ...Object.keys(change.after)])];
  if (keys.length === 0) return null;
  const word = (key: string, values: Change["before"]) => {
    const option = options.find((one) => one.key === key);
    if (option) return told(option, values[key]);
    return values[key] === null || values[key] === undefined ? "not set" : JSON.stringify(values[key]);
  };
  return (
    <details>
      <summary>{keys.length === 1 ? "1 value" : `${keys.length} values`}</summary>
      <table className="changes">
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">Before</th>
            <th scope="col">After</th>
          </tr>
        </thead>
        <tbody>
          {keys.map((key) => (
            <tr key={key}>
              <th scope="row">{options.find((one) => one.key === key)?.label ?? key}</th>
              <td>
                <del>{word(key, change.before)}</del>
              </td>
              <td>
                <ins>{word(key, change.after)}</ins>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

/** All changes, the newest first, each to be rolled back at once. */
export function History() {
  const live = useConnection();
  const client = useQueryClient();
  const catalogue = useAsked<Catalogue>("options:list");
  const [scope, setScope] = useState("");
  const { data, error, isPending, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    queryKey: ["config:history", scope],
    initialPageParam: "",
    queryFn: ({ pageParam }) =>
      live.ask<{ entries: Change[]; nextBefore?: string }>("config:history", {
        limit: 50,
        ...(scope && { scope }),
        ...(pageParam && { before: pageParam }),
      }),
    getNextPageParam: (page) => page.nextBefore,
  });
  usePush("config:changed", () => void client.invalidateQueries({ queryKey: ["config:history"] }));
  const back = useMutation({
    mutationFn: (change: Change) => live.intend("config:rollback", { id: change.id }, 600_000),
    onSettled: () => client.invalidateQueries(),
  });
  const options = catalogue.data?.options ?? [];
  const changes = data?.pages.flatMap((page) => page.entries) ?? [];
  return (
    <>
      <div className="options-bar">
        <select
          className="control"
          aria-label="What was changed"
          value={scope}
          onChange={(event) => setScope(event.currentTarget.value)}
        >
          {SCOPES.map((one) => (
            <option key={one.value} value={one.value}>
              {one.label}
            </option>
          ))}
        </select>
      </div>
      {error && (
        <p role="alert" className="error">
          {sentence(error)}
        </p>
      )}
      {isPending && <p className="hint late">Reading the history…</p>}
      {data && changes.length === 0 && <h2 className="empty">Nothing has been changed yet</h2>}
      <ul className="rows">
        {changes.map((change) => (
          <li key={change.id} data-testid="change">
            <div>
              <strong>{title(change)}</strong>{" "}
              <span className="facts">
                {ACTIONS[change.action] ?? change.action}
                {change.note && ` (${change.note})`} · {change.by} ·{" "}
                <time dateTime={change.at} title={new Date(change.at).toLocaleString("en")}>
                  {ago(new Date(change.at), new Date())}
                </time>
              </span>
              {change.undo && <p className="hint">{reach(change.undo)}</p>}
              <Details change={change} options={options} />
              {back.error && back.variables?.id === change.id && <Refusal error={back.error} options={options} />}
            </div>
            {(change.scope !== "profile" || change.undo) && (
              <Button
                size="xs"
                variant="default"
                aria-label={
                  change.undo
                    ? `Undo this: ${title(change)}, ${ACTIONS[change.action]}`
                    : `Roll back to before this change of ${title(change)}`
                }
                loading={back.isPending && back.variables?.id === change.id}
                onClick={() => back.mutate(change)}
              >
                {change.undo ? "Undo" : "Roll back"}
              </Button>
            )}
          </li>
        ))}
      </ul>
      {hasNextPage && (
        <Button size="xs" variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          Show older changes
        </Button>
      )}
    </>
  );
}
