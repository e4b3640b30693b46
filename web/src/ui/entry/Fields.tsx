import { type ReactNode, useId, useState } from "react";

/** What ties a control to its label, its help and what is wrong with it. */
export interface Marks {
  id: string;
  "aria-describedby": string;
  "aria-invalid": boolean;
  disabled: boolean;
}

interface RowProps {
  label: string;
  help?: ReactNode;
  /** Why the value was refused. */
  problem?: string | undefined;
  disabled?: boolean;
  children: (marks: Marks) => ReactNode;
}

/** One field: its label and help, the control, and what is wrong. */
export function FieldRow({ label, help, problem, disabled = false, children }: RowProps) {
  const id = useId();
  return (
    <div className="option">
      <div className="option-text">
        <label htmlFor={id}>{label}</label>
        {help && (
          <p id={`${id}-help`} className="hint">
            {help}
          </p>
        )}
      </div>
      <div className="option-value">
        <div className="option-control">
          {children({
            id,
            "aria-describedby": `${help ? `${id}-help ` : ""}${id}-state`,
            "aria-invalid": problem !== undefined,
            disabled,
          })}
        </div>
        <p id={`${id}-state`} className="error" role={problem ? "alert" : undefined}>
          {problem}
        </p>
      </div>
    </div>
  );
}

const written = (value: number | null) => (value === null || Number.isNaN(value) ? "" : String(value));

/** A number as it was typed: null for nothing, NaN for what is none that may be here. */
function read(text: string, whole: boolean, signed: boolean): number | null {
  if (text.trim() === "") return null;
  const value = Number(text.trim().replace(",", "."));
  return Number.isFinite(value) && (signed || value >= 0) && (!whole || Number.isInteger(value)) ? value : Number.NaN;
}

interface NumberProps {
  marks: Partial<Marks>;
  label?: string;
  value: number | null;
  /** Shown while nothing is set. */
  placeholder: string;
  unit?: string;
  whole?: boolean;
  /** Whether it may be below zero. */
  signed?: boolean;
  /** NaN for what is no number. */
  onChange: (value: number | null) => void;
}

/** A number, or nothing. */
export function NumberBox({
  marks,
  label,
  value,
  placeholder,
  unit,
  whole = false,
  signed = false,
  onChange,
}: NumberProps) {
  const [text, setText] = useState(() => written(value));
  const shown = Object.is(read(text, whole, signed), value) ? text : written(value);
  return (
    <>
      <input
        {...marks}
        aria-label={label}
        aria-invalid={marks["aria-invalid"] || Number.isNaN(value)}
        type="text"
        inputMode={signed ? "text" : whole ? "numeric" : "decimal"}
        data-number
        className="control"
        autoComplete="off"
        placeholder={placeholder}
        value={shown}
        onChange={(event) => {
          setText(event.currentTarget.value);
          onChange(read(event.currentTarget.value, whole, signed));
        }}
      />
      {unit && <span className="option-unit">{unit}</span>}
    </>
  );
}

interface JsonProps<T> {
  marks: Partial<Marks>;
  label?: string;
  value: T;
  placeholder: string;
  rows?: number;
  /** What the typed JSON must be; null for anything else. */
  check: (value: unknown) => T | null;
  onChange: (value: T) => void;
}

/** A value as JSON; what cannot be read counts as NaN, which is never saved. */
export function JsonBox<T>({ marks, label, value, placeholder, rows = 1, check, onChange }: JsonProps<T>) {
  const asText = (one: T) => (typeof one === "number" && Number.isNaN(one) ? "" : JSON.stringify(one));
  const [text, setText] = useState(() => asText(value));
  const read = (typed: string): T => {
    try {
      const found = check(JSON.parse(typed));
      if (found !== null) return found;
    } catch {
      // Not JSON yet.
    }
    return Number.NaN as T;
  };
  const bad = typeof value === "number" && Number.isNaN(value);
  const shown = asText(read(text)) === asText(value) ? text : asText(value);
  return (
    <textarea
      {...marks}
      aria-label={label}
      aria-invalid={marks["aria-invalid"] || bad}
      className="control"
      rows={rows}
      spellCheck={false}
      autoComplete="off"
      placeholder={placeholder}
      value={shown}
      onChange={(event) => {
        setText(event.currentTarget.value);
        onChange(read(event.currentTarget.value));
      }}
    />
  );
}
