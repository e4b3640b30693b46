import { memo, useId } from "react";
import type { Option, OptionValue } from "../../api/models";
import { UndoIcon } from "../icons";
import { bare, inLines, range, told, written } from "./form";

interface Props {
  option: Option;
  /** The own value, and the one that counts when there is none. */
  own: OptionValue | null | undefined;
  inherited: OptionValue | null | undefined;
  /** Where the inherited one comes from. */
  from: string;
  /** What is written and not saved; null takes the own value away. */
  edit: string | null | undefined;
  problem: string | undefined;
  /** Why it cannot be changed here. */
  locked?: string | null;
  /** What else is to be known, after where the value comes from. */
  note?: string | null;
  onEdit: (key: string, edit: string | null | undefined) => void;
}

const LISTS: Readonly<Record<string, string>> = {
  texts: "One in each line.",
  paths: "One in each line.",
  ints: "With commas between them.",
  floats: "With commas between them.",
};
const says = (from: string) => (from === "the default" ? "Default." : `From ${from}.`);

interface ControlProps {
  option: Option;
  value: string;
  placeholder: string;
  /** What a switch shows while nothing is set. */
  fallback: boolean | null;
  marks: { id: string; "aria-describedby": string; "aria-invalid": boolean; disabled: boolean };
  set: (value: string) => void;
}

function Control({ option, value, placeholder, fallback, marks, set }: ControlProps) {
  if (option.kind === "bool" && fallback !== null)
    return (
      <input
        {...marks}
        type="checkbox"
        className="switch"
        checked={value === "" ? fallback : value === "true"}
        onChange={(event) => set(String(event.currentTarget.checked))}
      />
    );
  if (option.kind === "bool" || option.kind === "choice") {
    const choices = option.kind === "bool" ? ["true", "false"] : option.choices;
    const word = (choice: string) => (option.kind !== "bool" ? choice : choice === "true" ? "on" : "off");
    return (
      <select {...marks} className="control" value={value} onChange={(event) => set(event.currentTarget.value)}>
        <option value="">{placeholder}</option>
        {choices.map((choice) => (
          <option key={choice} value={choice}>
            {word(choice)}
          </option>
        ))}
      </select>
    );
  }
  if (inLines(option) && option.choices.length > 0) {
    const chosen = value.split("\n").filter(Boolean);
    return (
      <fieldset id={marks.id} disabled={marks.disabled} aria-label={option.label} className="several">
        {option.choices.map((choice) => (
          <label key={choice} className="check">
            <input
              type="checkbox"
              checked={chosen.includes(choice)}
              onChange={(event) =>
                set(
                  option.choices
                    .filter((one) => (one === choice ? event.currentTarget.checked : chosen.includes(one)))
                    .join("\n"),
                )
              }
            />
            {choice}
          </label>
        ))}
      </fieldset>
    );
  }
  const common = { ...marks, value, placeholder, className: "control", spellCheck: false, autoComplete: "off" };
  if (option.multiline || inLines(option))
    return <textarea {...common} rows={2} onChange={(event) => set(event.currentTarget.value)} />;
  const numeric = option.kind === "int" || option.kind === "float";
  const mode = option.kind === "float" || (option.minimum ?? 0) < 0 ? "text" : "numeric";
  return (
    <input
      {...common}
      type="text"
      inputMode={numeric ? mode : undefined}
      data-number={numeric}
      onChange={(event) => set(event.currentTarget.value)}
    />
  );
}

/** One option: its label and help, a control of its kind, where its value comes from, and why it cannot be. */
export const OptionField = memo(function OptionField(props: Props) {
  const { option, own, inherited, from, edit, problem, locked, note, onEdit } = props;
  const id = useId();
  const value = edit === undefined ? written(option, own) : (edit ?? "");
  const isOwn = value !== "";
  const set = (text: string) => onEdit(option.key, text === written(option, own) ? undefined : text);
  const bounds = range(option);
  const source = locked ?? (isOwn ? `Set here. Otherwise ${told(option, inherited)} (${from}).` : says(from));
  return (
    <div className="option" data-own={isOwn} data-edited={edit !== undefined} data-testid={`option-${option.key}`}>
      <div className="option-text">
        <label htmlFor={id}>{option.label}</label>
        {option.flag && <code className="option-flag">{option.flag}</code>}
        <p id={`${id}-help`} className="hint">
          {option.help}
          {bounds && <span className="figure"> Range: {bounds}.</span>}
          {LISTS[option.kind] && option.choices.length === 0 && ` ${LISTS[option.kind]}`}
          {option.unit === "bytes" && " Bytes, or like 12 GB."}
          {!option.engines.includes("embedded") && " Only engines of the kind llama-server take it."}
        </p>
      </div>
      <div className="option-value">
        <div className="option-control">
          <Control
            option={option}
            value={value}
            placeholder={bare(option, inherited)}
            fallback={typeof inherited === "boolean" ? inherited : null}
            marks={{
              id,
              "aria-describedby": `${id}-help ${id}-state`,
              "aria-invalid": problem !== undefined,
              disabled: !!locked,
            }}
            set={set}
          />
          {option.unit && option.unit !== "bytes" && option.kind !== "bool" && (
            <span className="option-unit">{option.unit}</span>
          )}
          <button
            type="button"
            className="quiet"
            style={{ visibility: isOwn && !locked ? "visible" : "hidden" }}
            aria-label={`Reset ${option.label}`}
            title={`Back to ${told(option, inherited)} (${from})`}
            onClick={() => onEdit(option.key, own === null || own === undefined ? undefined : null)}
          >
            <UndoIcon />
          </button>
        </div>
        <p id={`${id}-state`} className={problem ? "error" : "hint"} role={problem ? "alert" : undefined}>
          {problem ?? [source, note].filter(Boolean).join(" ")}
        </p>
      </div>
    </div>
  );
});
