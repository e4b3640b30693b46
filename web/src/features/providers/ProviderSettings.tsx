import { useState } from "react";
import type { Provider, Timeouts } from "../../api/providers";
import { same } from "../../ui/entry/entry";
import { FieldRow, type Marks, NumberBox } from "../../ui/entry/Fields";
import { PriceFields } from "../../ui/entry/PriceFields";
import { SaveBar } from "../../ui/entry/SaveBar";
import type { Editing } from "../../ui/entry/useEntry";
import { AbilityFields } from "./AbilityFields";
import { headerLines, headersFrom } from "./words";

const TIMES: readonly { key: keyof Timeouts; label: string; help: string }[] = [
  { key: "connect", label: "Connecting", help: "Until the connection is there." },
  { key: "firstByte", label: "First byte", help: "Until the answer begins." },
  { key: "idle", label: "Silence", help: "In the middle of an answer." },
  { key: "total", label: "Whole answer", help: "From the request to its end." },
];
const NO_PRICES = { input: null, output: null, cachedInput: null, cacheWrite: null };

interface HeaderProps {
  marks: Marks;
  value: Provider["headers"];
  onChange: (value: Provider["headers"]) => void;
}

function Headers({ marks, value, onChange }: HeaderProps) {
  const [text, setText] = useState(() => headerLines(value));
  const shown = same(headersFrom(text) ?? Number.NaN, value) ? text : headerLines(value);
  return (
    <textarea
      {...marks}
      className="control"
      rows={2}
      spellCheck={false}
      placeholder="X-Title: Corral"
      value={shown}
      onChange={(event) => {
        setText(event.currentTarget.value);
        // What is no header yet counts as no number, which is never saved.
        onChange(headersFrom(event.currentTarget.value) ?? (Number.NaN as unknown as Provider["headers"]));
      }}
    />
  );
}

/** How a provider is called, and what counts for all of its models. */
export function ProviderSettings({ editing }: { editing: Editing<Provider> }) {
  const { value, set, reason } = editing;
  const locked = value.readOnly;
  return (
    <>
      {locked && (
        <p className="hint">
          Written in <code>{value.source}</code>, so it is changed there.
        </p>
      )}
      <FieldRow label="In use" help="Whether it is asked at all." disabled={locked}>
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
      <FieldRow
        label="Address"
        help={value.baseUrl === null ? `${value.address} as usual.` : "Where its API begins."}
        problem={reason("baseUrl")}
        disabled={locked}
      >
        {(marks) => (
          <input
            {...marks}
            className="control"
            type="url"
            autoComplete="off"
            spellCheck={false}
            placeholder={value.address ?? ""}
            value={value.baseUrl ?? ""}
            onChange={(event) => set({ baseUrl: event.currentTarget.value || null })}
          />
        )}
      </FieldRow>
      <FieldRow label="Description" help="What it is for." problem={reason("description")} disabled={locked}>
        {(marks) => (
          <textarea
            {...marks}
            className="control words"
            rows={2}
            maxLength={2_000}
            value={value.description}
            onChange={(event) => set({ description: event.currentTarget.value })}
          />
        )}
      </FieldRow>
      <FieldRow
        label="List its models"
        help="Off: only the models that are written down here."
        problem={reason("discover")}
        disabled={locked}
      >
        {(marks) => (
          <input
            {...marks}
            type="checkbox"
            className="switch"
            checked={value.discover}
            onChange={(event) => set({ discover: event.currentTarget.checked })}
          />
        )}
      </FieldRow>
      <FieldRow
        label="At once"
        help="Requests under way, at most. More wait for a moment."
        problem={reason("connections")}
        disabled={locked}
      >
        {(marks) => (
          <NumberBox
            marks={marks}
            value={value.connections}
            placeholder="256, as usual"
            unit="requests"
            onChange={(connections) => set({ connections })}
          />
        )}
      </FieldRow>
      <FieldRow
        label="Headers"
        help="Sent with every call, one in each line. Keys do not belong here."
        problem={reason("headers")}
        disabled={locked}
      >
        {(marks) => <Headers marks={marks} value={value.headers} onChange={(headers) => set({ headers })} />}
      </FieldRow>
      <h2>How long to wait</h2>
      {TIMES.map(({ key, label, help }) => (
        <FieldRow key={key} label={label} help={help} problem={reason(`timeouts.${key}`)} disabled={locked}>
          {(marks) => (
            <NumberBox
              marks={marks}
              value={value.timeouts[key]}
              placeholder="as usual"
              unit="seconds"
              onChange={(time) => set({ timeouts: { ...value.timeouts, [key]: time } })}
            />
          )}
        </FieldRow>
      ))}
      <h2>Models that say nothing of their own</h2>
      <PriceFields
        prices={value.prices ?? NO_PRICES}
        locked={locked}
        reason={(key) => reason(`prices.${key}`)}
        onChange={(prices) => set({ prices: same(prices, NO_PRICES) ? null : prices })}
      />
      <AbilityFields abilities={value.abilities} locked={locked} onChange={(abilities) => set({ abilities })} />
      <SaveBar editing={editing} />
    </>
  );
}
