import type { Abilities } from "../../api/providers";
import { FieldRow } from "../../ui/entry/Fields";
import { ABILITIES } from "./words";

interface AbilityProps {
  abilities: Abilities;
  locked: boolean;
  onChange: (abilities: Abilities) => void;
}

/** What models can do, where it is not as usual. */
export function AbilityFields({ abilities, locked, onChange }: AbilityProps) {
  const told = (value: boolean | null) => (value === null ? "" : String(value));
  return ABILITIES.map(({ key, label, help }) => (
    <FieldRow key={key} label={label} help={help} disabled={locked}>
      {(marks) => (
        <select
          {...marks}
          className="control"
          value={told(abilities[key])}
          onChange={(event) => {
            const { value } = event.currentTarget;
            onChange({ ...abilities, [key]: value === "" ? null : value === "true" });
          }}
        >
          <option value="">as usual</option>
          <option value="true">yes</option>
          <option value="false">no</option>
        </select>
      )}
    </FieldRow>
  ));
}
