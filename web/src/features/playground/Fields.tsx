import { useId } from "react";
import type { Draft, Parameter } from "./draft";
import { PARAMETERS } from "./draft";

interface JsonProps {
  label: string;
  hint: string;
  placeholder: string;
  value: string;
  problem: string | undefined;
  onChange: (value: string) => void;
}

/** A box for JSON, with what is wrong with it below. */
export function JsonField({ label, hint, placeholder, value, problem, onChange }: JsonProps) {
  const id = useId();
  return (
    <div className="play-json">
      <label htmlFor={id} className="unseen">
        {label}
      </label>
      <textarea
        id={id}
        className="control"
        rows={6}
        spellCheck={false}
        placeholder={placeholder}
        value={value}
        aria-describedby={`${id}-hint`}
        aria-invalid={problem !== undefined}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
      <p id={`${id}-hint`} className={problem ? "error" : "hint"} role={problem ? "alert" : undefined}>
        {problem ?? hint}
      </p>
    </div>
  );
}

interface FieldProps {
  parameter: Parameter;
  value: string;
  problem: string | undefined;
  onChange: (value: string) => void;
}

function Field({ parameter, value, problem, onChange }: FieldProps) {
  const id = useId();
  const marks = {
    id,
    className: "control",
    value,
    "aria-invalid": problem !== undefined,
    "aria-describedby": `${id}-state`,
  };
  return (
    <div className="play-parameter">
      <label htmlFor={id}>{parameter.label}</label>
      {parameter.kind === "choice" ? (
        <select {...marks} onChange={(event) => onChange(event.currentTarget.value)}>
          <option value="">not set</option>
          {parameter.choices?.map((choice) => (
            <option key={choice} value={choice}>
              {choice === "true" ? "yes" : choice === "false" ? "no" : choice}
            </option>
          ))}
        </select>
      ) : parameter.kind === "texts" ? (
        <textarea
          {...marks}
          rows={1}
          placeholder="one in each line"
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      ) : (
        <input
          {...marks}
          inputMode={parameter.kind === "whole" ? "numeric" : "text"}
          placeholder="not set"
          autoComplete="off"
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      )}
      <p id={`${id}-state`} className={problem ? "error" : "hint"} role={problem ? "alert" : undefined}>
        {problem ?? <code>{parameter.field}</code>}
      </p>
    </div>
  );
}

interface Props {
  draft: Draft;
  problems: Readonly<Record<string, string>>;
  onChange: (key: string, value: string) => void;
}

/** The parameters of the dialect. */
export function Parameters({ draft, problems, onChange }: Props) {
  return (
    <div className="play-parameters">
      {PARAMETERS[draft.dialect].map((parameter) => (
        <Field
          key={parameter.key}
          parameter={parameter}
          value={draft.parameters[parameter.key] ?? ""}
          problem={problems[parameter.key]}
          onChange={(value) => onChange(parameter.key, value)}
        />
      ))}
    </div>
  );
}
