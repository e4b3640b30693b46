import type { Prices } from "../../api/providers";
import type { Candidate, Json } from "../../api/routes";
import { same } from "../../ui/entry/entry";
import { FieldRow, JsonBox } from "../../ui/entry/Fields";
import { PriceFields } from "../../ui/entry/PriceFields";

const NO_PRICES: Prices = { input: null, output: null, cachedInput: null, cacheWrite: null };
const asObject = (value: unknown): Json | null =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : null;

interface Props {
  one: Candidate;
  locked: boolean;
  onChange: (candidate: Candidate) => void;
}

/** What counts for one candidate alone. */
export function CandidateOptions({ one, locked, onChange }: Props) {
  return (
    <div className="candidate-options">
      <FieldRow label="Parameters" help="Set for this candidate alone, as JSON." disabled={locked}>
        {(marks) => (
          <JsonBox
            marks={marks}
            value={one.parameters}
            placeholder='{"temperature": 0}'
            check={asObject}
            onChange={(parameters) => onChange({ ...one, parameters })}
          />
        )}
      </FieldRow>
      <FieldRow
        label="Goes on with a beginning"
        help="Whether it can go on where another one broke off, from the text so far."
        disabled={locked}
      >
        {(marks) => (
          <select
            {...marks}
            className="control"
            value={one.prefill === null ? "" : String(one.prefill)}
            onChange={(event) => {
              const { value } = event.currentTarget;
              onChange({ ...one, prefill: value === "" ? null : value === "true" });
            }}
          >
            <option value="">as its provider</option>
            <option value="true">yes</option>
            <option value="false">no</option>
          </select>
        )}
      </FieldRow>
      <PriceFields
        prices={one.price ?? NO_PRICES}
        locked={locked}
        reason={() => undefined}
        onChange={(price) => onChange({ ...one, price: same(price, NO_PRICES) ? null : price })}
      />
    </div>
  );
}
