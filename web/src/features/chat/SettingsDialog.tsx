import { Button, Modal } from "@mantine/core";
import { type FormEvent, useId, useState } from "react";
import { useStore } from "zustand";
import type { Sampling } from "../../api/types";
import {
  FIELDS,
  flaw,
  type NumberField,
  PRESETS,
  type Preset,
  presetOf,
  readStops,
  withPreset,
} from "../../engine/sampling";
import { FieldRow, NumberBox } from "../../ui/entry/Fields";
import { TrashIcon } from "../../ui/icons";
import { Toast } from "../../ui/Toast";
import { presets } from "./samplings";
import "../../ui/controls.css";
import "../../ui/options/options.css";
import "./settings.css";

interface Props {
  sampling: Sampling;
  onUse: (sampling: Sampling) => void;
  onClose: () => void;
}

/** What is wrong with a field; undefined when nothing is. */
function problemOf(field: NumberField, sampling: Sampling): string | undefined {
  const value = sampling[field.key];
  return value === undefined ? undefined : (flaw(field, value) ?? undefined);
}

/** The settings of a conversation's next answers, with presets to choose from and to save. */
export function SettingsDialog({ sampling, onUse, onClose }: Props) {
  const [value, setValue] = useState(sampling);
  const [stops, setStops] = useState((sampling.stop ?? []).join("\n"));
  const mine = useStore(presets, (all) => all.mine);
  const read = readStops(stops);
  const { stop: _, ...numbers } = value;
  const whole: Sampling = { ...numbers, ...(typeof read !== "string" && read.length > 0 && { stop: read }) };
  const bad = typeof read === "string" || FIELDS.some((field) => problemOf(field, value) !== undefined);
  const chosen = bad ? null : presetOf(whole, mine);
  const take = (preset: Preset) => {
    setValue(preset.sampling);
    setStops((preset.sampling.stop ?? []).join("\n"));
  };
  const set = (field: NumberField, number: number | null) => {
    const { [field.key]: __, ...others } = value;
    setValue(number === null ? others : { ...others, [field.key]: number });
  };
  return (
    <Modal
      size="lg"
      opened
      onClose={onClose}
      title="Answer settings"
      closeButtonProps={{ "aria-label": "Close" }}
      transitionProps={{ duration: 120 }}
    >
      <p className="hint">
        For the next answers of this conversation. What is left empty is the model's own; what a provider does not know
        it is not told.
      </p>
      <Presets mine={mine} chosen={chosen} onTake={take} />
      {FIELDS.map((field) => (
        <FieldRow key={field.key} label={field.label} help={field.help} problem={problemOf(field, value)}>
          {(marks) => (
            <NumberBox
              marks={marks}
              signed={field.low < 0}
              whole={field.whole ?? false}
              value={value[field.key] ?? null}
              placeholder="the model's own"
              {...(field.unit && { unit: field.unit })}
              onChange={(number) => set(field, number)}
            />
          )}
        </FieldRow>
      ))}
      <FieldRow
        label="Stop at"
        help="The answer ends before any of these texts; one a line."
        problem={typeof read === "string" ? read : undefined}
      >
        {(marks) => (
          <textarea
            {...marks}
            className="control"
            rows={2}
            spellCheck={false}
            value={stops}
            onChange={(event) => setStops(event.target.value)}
          />
        )}
      </FieldRow>
      <SavePreset mine={mine} sampling={whole} disabled={bad || chosen !== null} />
      <div className="settings-end">
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        <Button disabled={bad} onClick={() => onUse(whole)}>
          Use
        </Button>
      </div>
    </Modal>
  );
}

interface PresetsProps {
  mine: readonly Preset[];
  chosen: Preset | null;
  onTake: (preset: Preset) => void;
}

function Presets({ mine, chosen, onTake }: PresetsProps) {
  const [gone, setGone] = useState<Preset | null>(null);
  const remove = (preset: Preset) => {
    presets.setState({ mine: mine.filter((one) => one !== preset) });
    setGone(preset);
  };
  return (
    <fieldset className="presets">
      <legend>Presets</legend>
      {[...PRESETS, ...mine].map((preset) => (
        <span className="preset" key={preset.name}>
          <button type="button" aria-pressed={preset === chosen} onClick={() => onTake(preset)}>
            {preset.name}
          </button>
          {mine.includes(preset) && (
            <button
              type="button"
              className="quiet"
              aria-label={`Delete the preset ${preset.name}`}
              onClick={() => remove(preset)}
            >
              <TrashIcon />
            </button>
          )}
        </span>
      ))}
      {gone && (
        <Toast
          key={gone.name}
          text={`The preset ${gone.name} is deleted.`}
          onUndo={() => {
            presets.setState({ mine: [...mine.filter((one) => one.name !== gone.name), gone] });
            setGone(null);
          }}
          onClose={() => setGone(null)}
        />
      )}
    </fieldset>
  );
}

interface SaveProps {
  mine: readonly Preset[];
  sampling: Sampling;
  disabled: boolean;
}

function SavePreset({ mine, sampling, disabled }: SaveProps) {
  const [name, setName] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const id = useId();
  const save = (event: FormEvent) => {
    event.preventDefault();
    const changed = withPreset(mine, name, sampling);
    setProblem(typeof changed === "string" ? changed : null);
    if (typeof changed === "string") return;
    presets.setState({ mine: changed });
    setName("");
  };
  return (
    <form className="save-preset" onSubmit={save}>
      <label htmlFor={id}>Save as a preset</label>
      <input
        id={id}
        className="control"
        autoComplete="off"
        placeholder="Name"
        value={name}
        disabled={disabled}
        aria-invalid={problem !== null}
        aria-describedby={`${id}-help`}
        onChange={(event) => setName(event.target.value)}
      />
      <Button type="submit" variant="default" disabled={disabled}>
        Save
      </Button>
      <p id={`${id}-help`} className={problem ? "error" : "hint"} role={problem ? "alert" : undefined}>
        {problem ?? "Presets are kept in this browser."}
      </p>
    </form>
  );
}
