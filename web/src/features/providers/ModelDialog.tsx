import { Button, Modal } from "@mantine/core";
import { useState } from "react";
import { sentence } from "../../api/explain";
import type { Abilities, Prices, ProviderModel } from "../../api/providers";
import { same, unreadable } from "../../ui/entry/entry";
import { FieldRow, NumberBox } from "../../ui/entry/Fields";
import { PriceFields } from "../../ui/entry/PriceFields";
import { AbilityFields } from "./AbilityFields";
import { priceWords } from "./words";

const NO_PRICES: Prices = { input: null, output: null, cachedInput: null, cacheWrite: null };
const NO_ABILITIES: Abilities = {
  prefill: null,
  tools: null,
  images: null,
  audio: null,
  files: null,
  jsonSchema: null,
  reasoning: null,
};

interface Props {
  /** What is written down of it, and what its provider lists. */
  model: ProviderModel;
  listed: ProviderModel;
  locked: boolean;
  saving: boolean;
  error: Error | null;
  onSave: (model: ProviderModel) => void;
  onClose: () => void;
}

/** What is known of one model, to be corrected; what Corral's own table says can be taken over. */
export function ModelDialog({ model, listed, locked, saving, error, onSave, onClose }: Props) {
  const [value, setValue] = useState(model);
  const set = (part: Partial<ProviderModel>) => setValue((before) => ({ ...before, ...part }));
  const prices = value.prices ?? NO_PRICES;
  const abilities = value.abilities ?? NO_ABILITIES;
  const { suggested } = listed;
  const known = (size: number | null) => (size === null ? "not known" : String(size));
  const offered = suggested && priceWords(suggested.prices);
  return (
    <Modal
      size="lg"
      opened
      onClose={onClose}
      title={model.name}
      closeButtonProps={{ "aria-label": "Close" }}
      transitionProps={{ duration: 120 }}
    >
      {suggested && !locked && (
        <p className="hint">
          As of {suggested.asOf} it was known{offered && ` at ${offered} for a million tokens`}. Check it before you
          rely on it.{" "}
          <button
            type="button"
            className="link"
            onClick={() =>
              set({
                prices: suggested.prices ?? value.prices,
                contextLength: suggested.contextLength ?? value.contextLength,
                maxOutput: suggested.maxOutput ?? value.maxOutput,
                abilities: suggested.abilities ?? value.abilities,
              })
            }
          >
            Take it over
          </button>
        </p>
      )}
      <PriceFields
        prices={prices}
        inherited={listed.prices}
        locked={locked}
        reason={() => undefined}
        onChange={(changed) => set({ prices: same(changed, NO_PRICES) ? null : changed })}
      />
      <FieldRow label="Context" help="Prompt and answer together." disabled={locked}>
        {(marks) => (
          <NumberBox
            marks={marks}
            whole
            value={value.contextLength}
            placeholder={known(listed.contextLength)}
            unit="tokens"
            onChange={(contextLength) => set({ contextLength })}
          />
        )}
      </FieldRow>
      <FieldRow label="Longest answer" disabled={locked}>
        {(marks) => (
          <NumberBox
            marks={marks}
            whole
            value={value.maxOutput}
            placeholder={known(listed.maxOutput)}
            unit="tokens"
            onChange={(maxOutput) => set({ maxOutput })}
          />
        )}
      </FieldRow>
      <AbilityFields
        abilities={abilities}
        locked={locked}
        onChange={(changed) => set({ abilities: same(changed, NO_ABILITIES) ? null : changed })}
      />
      {error && (
        <p role="alert" className="error">
          {sentence(error)}
        </p>
      )}
      {!locked && (
        <div className="dialog-actions">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button loading={saving} disabled={unreadable(value) || same(value, model)} onClick={() => onSave(value)}>
            Save
          </Button>
        </div>
      )}
    </Modal>
  );
}
