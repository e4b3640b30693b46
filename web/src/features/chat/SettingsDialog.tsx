import { Button, Modal } from "@mantine/core";
import { type FormEvent, useId, useState } from "react";
import { useStore } from "zustand";
import type { Sampling } from "../../api/types";
import {
  BOUNDS,
  flaw,
  KEYS,
  type NumberKey,
  PRESETS,
  type Preset,
  presetOf,
  readStops,
  withPreset,
} from "../../engine/sampling";
import { FieldRow, NumberBox } from "../../ui/entry/Fields";
import { TrashIcon } from "../../ui/icons";
import { Themed } from "../../ui/Themed";
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

const WORDS: Readonly<Record<NumberKey, { label: string; help: string; unit?: string }>> = {
  temperature: { label: "Temperature", help: "0 always takes the likeliest token; higher is more varied." },
  topP: { label: "Top P", help: "Draws from the likeliest tokens that together have this probability." },
  topK: { label: "Top K", help: "Draws from so many of the likeliest tokens; 0 draws from all." },
  minP: { label: "Min P", help: "Leaves out tokens below this share of the likeliest one's probability." },
  repeatPenalty: { label: "Repetition penalty", help: "Above 1 the same tokens come less often again." },
  presencePenalty: { label: "Presence penalty", help: "Above 0 favours tokens that were not used yet." },
  frequencyPenalty: { label: "Frequency penalty", help: "Above 0 avoids tokens, the more often they were used." },
  seed: { label: "Seed", help: "The same number gives the same answer again on the same engine." },
  maxTokens: { label: "Longest answer", help: "The answer is cut after so many tokens.", unit: "tokens" },
};

/** What is wrong with a setting; undefined when nothing is. */
function problemOf(key: NumberKey, sampling: Sampling): string | undefined {
  const value = sampling[key];
  return value === undefined ? undefined : (flaw(key, value) ?? undefined);
}

/** The settings of a conversation's next answers, with presets to choose from and to save. */
export function SettingsDialog({ sampling, onUse, onClose }: Props) {
  const [value, setValue] = useState(sampling);
  const [stops, setStops] = useState((sampling.stop ?? []).join("\n"));
  const mine = useStore(presets, (all) => all.mine);
  const read = readStops(stops);
  const { stop: _, ...numbers } = value;
  const whole: Sampling = { ...numbers, ...(typeof read !== "string" && read.length > 0 && { stop: read }) };
  const bad = typeof read === "string" || KEYS.some((key) => problemOf(key, value) !== undefined);
  const chosen = bad ? null : presetOf(whole, mine);
  const take = (preset: Preset) => {
    setValue(preset.sampling);
    setStops((preset.sampling.stop ?? []).join("\n"));
  };
  const set = (key: NumberKey, number: number | null) => {
    const { [key]: __, ...others } = value;
    setValue(number === null ? others : { ...others, [key]: number });
  };
  return (
    <Themed>
      <Modal
        size="lg"
        opened
        onClose={onClose}
        title="Answer settings"
        closeButtonProps={{ "aria-label": "Close" }}
        transitionProps={{ duration: 120 }}
      >
        <p className="hint">
          For the next answers of this conversation. What is left empty is the model's own; what a provider does not
          know it is not told.
        </p>
        <Presets mine={mine} chosen={chosen} onTake={take} />
        {KEYS.map((key) => (
          <FieldRow key={key} label={WORDS[key].label} help={WORDS[key].help} problem={problemOf(key, value)}>
            {(marks) => (
              <NumberBox
                marks={marks}
                signed={BOUNDS[key].low < 0}
                whole={BOUNDS[key].whole ?? false}
                value={value[key] ?? null}
                placeholder="the model's own"
                {...(WORDS[key].unit && { unit: WORDS[key].unit })}
                onChange={(number) => set(key, number)}
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
    </Themed>
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
