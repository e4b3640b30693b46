import { Button } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { sentence } from "../../api/explain";
import type { Limit, Limits as Listing } from "../../api/routes";
import { useAsked, useConnection, usePush } from "../../ui/live";
import { Toast } from "../../ui/Toast";
import { LimitDialog } from "./LimitDialog";
import { limitTitle, limitWords } from "./words";

const LIST = "limits:list";

/** A limit that is not saved yet. */
const NEW: Limit = {
  id: "",
  scope: "key",
  subject: "*",
  description: "",
  enabled: true,
  requestsPerMinute: null,
  tokensPerMinute: null,
  concurrent: null,
  budgetDay: null,
  budgetMonth: null,
  unknownPrice: "allow",
  version: 0,
  source: "database",
  readOnly: false,
  problem: null,
  createdAt: null,
  updatedAt: null,
  by: null,
};

/** How much may be asked, and by whom. */
export function Limits() {
  const live = useConnection();
  const client = useQueryClient();
  const { data, error, isPending } = useAsked<Listing>(LIST);
  const [edited, setEdited] = useState<Limit | null>(null);
  const [removed, setRemoved] = useState<Limit | null>(null);
  const refresh = () => client.invalidateQueries({ queryKey: [LIST] });
  usePush("limits:changed", () => void refresh());
  const remove = useMutation({
    mutationFn: (limit: Limit) => live.intend("limits:delete", { id: limit.id }),
    onSuccess: (_, limit) => setRemoved(limit),
    onSettled: refresh,
  });
  const restore = useMutation({
    mutationFn: (limit: Limit) => live.intend("limits:restore", { id: limit.id }),
    onSettled: refresh,
  });
  const problem = error ?? remove.error ?? restore.error;
  return (
    <>
      {problem && (
        <p role="alert" className="error">
          {sentence(problem)}
        </p>
      )}
      {isPending && <p className="hint late">Reading the limits…</p>}
      {data?.limits.length === 0 && (
        <>
          <h2 className="empty">No limits yet</h2>
          <p className="hint">Everybody may ask as much as the machine and the providers can answer.</p>
        </>
      )}
      <ul className="rows" aria-label="Limits">
        {data?.limits.map((limit) => (
          <li key={limit.id} data-testid="limit-row">
            <div>
              <strong>{limitTitle(limit)}</strong>
              {!limit.enabled && <span className="badge">off</span>}
              {limit.readOnly && <span className="badge">corral.toml</span>}
              <p className="hint">{limitWords(limit) || "Limits nothing."}</p>
              {limit.problem && <p className="problem">{limit.problem}</p>}
              {limit.description && <p className="hint">{limit.description}</p>}
            </div>
            {!limit.readOnly && (
              <div className="page-actions">
                <Button
                  size="xs"
                  variant="default"
                  aria-label={`Remove the limit of ${limitTitle(limit)}`}
                  onClick={() => remove.mutate(limit)}
                >
                  Remove
                </Button>
                <Button
                  size="xs"
                  variant="default"
                  aria-label={`Change the limit of ${limitTitle(limit)}`}
                  onClick={() => setEdited(limit)}
                >
                  Change
                </Button>
              </div>
            )}
          </li>
        ))}
      </ul>
      {data && (
        <p className="limits-add">
          <Button size="xs" onClick={() => setEdited(NEW)}>
            Add a limit
          </Button>
        </p>
      )}
      {edited && (
        <LimitDialog key={edited.id} limit={edited} onSaved={() => void refresh()} onClose={() => setEdited(null)} />
      )}
      {removed && (
        <Toast
          key={removed.id}
          text={`The limit of ${limitTitle(removed)} was removed`}
          onUndo={() => {
            restore.mutate(removed);
            setRemoved(null);
          }}
          onClose={() => setRemoved(null)}
        />
      )}
    </>
  );
}
