import { Button, Modal } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { sentence } from "../../api/explain";
import { type Limit, SCOPES } from "../../api/routes";
import { changesOf, conflictOf, reasonFor, reasonsOf, unreadable } from "../../ui/entry/entry";
import { FieldRow, NumberBox } from "../../ui/entry/Fields";
import { useConnection } from "../../ui/live";
import "../../ui/options/options.css";

const SCOPE_LABELS: Readonly<Record<Limit["scope"], string>> = {
  all: "All requests together",
  key: "A key",
  user: "A user",
  model: "A model or route",
  provider: "A provider",
};
type Figure = "requestsPerMinute" | "tokensPerMinute" | "concurrent" | "budgetDay" | "budgetMonth";
const FIGURES: readonly { key: Figure; label: string; unit: string; whole: boolean; help?: string }[] = [
  { key: "requestsPerMinute", label: "Requests", unit: "a minute", whole: true },
  { key: "tokensPerMinute", label: "Tokens", unit: "a minute", whole: true, help: "Read and written." },
  { key: "concurrent", label: "At once", unit: "requests", whole: true },
  { key: "budgetDay", label: "Budget of a day", unit: "USD", whole: false, help: "From midnight UTC." },
  { key: "budgetMonth", label: "Budget of a month", unit: "USD", whole: false },
];

interface Props {
  limit: Limit;
  onSaved: () => void;
  onClose: () => void;
}

/** One limit: whom it is about, and how much is allowed. */
export function LimitDialog({ limit, onSaved, onClose }: Props) {
  const live = useConnection();
  const [value, setValue] = useState(limit);
  const set = (part: Partial<Limit>) => setValue((before) => ({ ...before, ...part }));
  const isNew = limit.version === 0;
  const save = useMutation({
    mutationFn: () => {
      const { scope, subject } = value;
      const changed = isNew ? { ...changesOf(limit, value), scope, subject } : changesOf(limit, value);
      return live.request<Limit>("limits:save", {
        ...(!isNew && { id: limit.id }),
        version: limit.version,
        changes: changed,
      });
    },
    onSuccess: () => {
      onSaved();
      onClose();
    },
  });
  const reasons = reasonsOf(save.error);
  const conflict = conflictOf(save.error);
  const budget = value.budgetDay !== null || value.budgetMonth !== null;
  const none = FIGURES.every(({ key }) => value[key] === null);
  const changed = Object.keys(changesOf(limit, value)).length > 0;
  return (
    <Modal
      size="lg"
      opened
      onClose={onClose}
      title={isNew ? "Add a limit" : "Change the limit"}
      closeButtonProps={{ "aria-label": "Close" }}
      transitionProps={{ duration: 120 }}
    >
      <FieldRow label="Who" problem={reasonFor(reasons, "scope")}>
        {(marks) => (
          <select
            {...marks}
            className="control"
            value={value.scope}
            onChange={(event) => {
              const scope = event.currentTarget.value as Limit["scope"];
              set({ scope, subject: scope === "all" ? "" : value.subject || "*" });
            }}
          >
            {SCOPES.map((scope) => (
              <option key={scope} value={scope}>
                {SCOPE_LABELS[scope]}
              </option>
            ))}
          </select>
        )}
      </FieldRow>
      {value.scope !== "all" && (
        <FieldRow
          label="Which one"
          help="Its name, or * for each of them by itself."
          problem={reasonFor(reasons, "subject")}
        >
          {(marks) => (
            <input
              {...marks}
              className="control"
              maxLength={512}
              autoComplete="off"
              spellCheck={false}
              value={value.subject}
              onChange={(event) => set({ subject: event.currentTarget.value })}
            />
          )}
        </FieldRow>
      )}
      {FIGURES.map(({ key, label, unit, whole, help }) => (
        <FieldRow key={key} label={label} help={help} problem={reasonFor(reasons, key)}>
          {(marks) => (
            <NumberBox
              marks={marks}
              whole={whole}
              value={value[key]}
              placeholder="no limit"
              unit={unit}
              onChange={(figure) => set({ [key]: figure })}
            />
          )}
        </FieldRow>
      ))}
      {budget && (
        <FieldRow label="Refuse unknown prices" help="Off: a model without prices counts as free.">
          {(marks) => (
            <input
              {...marks}
              type="checkbox"
              className="switch"
              checked={value.unknownPrice === "refuse"}
              onChange={(event) => set({ unknownPrice: event.currentTarget.checked ? "refuse" : "allow" })}
            />
          )}
        </FieldRow>
      )}
      <FieldRow label="In use">
        {(marks) => (
          <input
            {...marks}
            type="checkbox"
            className="switch"
            checked={value.enabled}
            onChange={(event) => set({ enabled: event.currentTarget.checked })}
          />
        )}
      </FieldRow>
      {save.error && (
        <p role="alert" className="error">
          {conflict ? "Somebody else has changed it meanwhile. Close this and open it again." : sentence(save.error)}
        </p>
      )}
      <div className="dialog-actions">
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        <Button
          loading={save.isPending}
          disabled={none || unreadable(value) || !(changed || isNew)}
          onClick={() => save.mutate()}
        >
          {isNew ? "Add" : "Save"}
        </Button>
      </div>
    </Modal>
  );
}
