import { useId, useState } from "react";
import type { Rules } from "../../api/routes";
import { same } from "../../ui/entry/entry";
import { CrossIcon, PlusIcon } from "../../ui/icons";
import { faultOf, PARAMETERS, RULE_WORDS, RULES, type Rule, type RuleRow, rowsOf, rulesOf } from "./rules";

interface RowProps {
  one: RuleRow;
  number: number;
  fault: string | null;
  list: string;
  locked: boolean;
  onChange: (row: RuleRow) => void;
  onRemove: () => void;
}

function Row({ one, number, fault, list, locked, onChange, onRemove }: RowProps) {
  const text = (key: "name" | "value" | "low" | "high", label: string, placeholder: string) => (
    <input
      className="control"
      aria-label={`${label} of rule ${number}`}
      aria-invalid={fault !== null}
      placeholder={placeholder}
      list={key === "name" ? list : undefined}
      autoComplete="off"
      spellCheck={false}
      disabled={locked}
      value={one[key]}
      onChange={(event) => onChange({ ...one, [key]: event.currentTarget.value })}
    />
  );
  return (
    <li className="rule">
      {text("name", "Parameter", "parameter")}
      <select
        className="control"
        aria-label={`What rule ${number} does`}
        disabled={locked}
        value={one.rule}
        onChange={(event) => onChange({ ...one, rule: event.currentTarget.value as Rule })}
      >
        {RULES.map((rule) => (
          <option key={rule} value={rule}>
            {RULE_WORDS[rule]}
          </option>
        ))}
      </select>
      <span className="rule-values">
        {(one.rule === "set" || one.rule === "default") && text("value", "Value", "value")}
        {one.rule === "clamp" && (
          <>
            {text("low", "Lower bound", "at least")}
            {text("high", "Upper bound", "at most")}
          </>
        )}
      </span>
      {!locked && (
        <button type="button" className="quiet" aria-label={`Take out rule ${number}`} onClick={onRemove}>
          <CrossIcon />
        </button>
      )}
      {fault && <span className="hint rule-fault">{fault}</span>}
    </li>
  );
}

interface Props {
  rules: Rules;
  problem: string | undefined;
  locked: boolean;
  onChange: (rules: Rules) => void;
}

/** What happens to the parameters of a request on its way. */
export function RuleEditor({ rules, problem, locked, onChange }: Props) {
  const id = useId();
  const [rows, setRows] = useState<readonly RuleRow[]>(() => rowsOf(rules));
  const wrong = Number.NaN as unknown as Rules;
  const shown = same(rulesOf(rows) ?? Number.NaN, rules) ? rows : rowsOf(rules);
  const change = (next: readonly RuleRow[]) => {
    setRows(next);
    // Rules that are not whole yet count as no number, which is never saved.
    onChange(rulesOf(next) ?? wrong);
  };
  const blank: RuleRow = { name: "", rule: "default", value: "", low: "", high: "" };
  return (
    <>
      <ol className="rules" aria-label="Rules">
        {shown.map((one, at) => (
          <Row
            // biome-ignore lint/suspicious/noArrayIndexKey: rows are only added at the end, and have no name of their own
            key={at}
            one={one}
            number={at + 1}
            fault={faultOf(one, shown)}
            list={`${id}-names`}
            locked={locked}
            onChange={(row) => change(shown.with(at, row))}
            onRemove={() => change(shown.filter((_, other) => other !== at))}
          />
        ))}
      </ol>
      <datalist id={`${id}-names`}>
        {PARAMETERS.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      {problem && (
        <p role="alert" className="error">
          {problem}
        </p>
      )}
      {!locked && (
        <button type="button" className="add-line" onClick={() => change([...shown, blank])}>
          <PlusIcon /> Add a rule
        </button>
      )}
    </>
  );
}
