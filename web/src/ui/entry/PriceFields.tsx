import type { Prices } from "../../api/providers";
import { FieldRow, NumberBox } from "./Fields";

const PRICES: readonly { key: keyof Prices; label: string; help: string; placeholder: string }[] = [
  { key: "input", label: "Price of reading", help: "For what a model is sent.", placeholder: "not known" },
  { key: "output", label: "Price of writing", help: "For what it answers.", placeholder: "not known" },
  { key: "cachedInput", label: "From its cache", help: "For what it has read before.", placeholder: "as reading" },
  { key: "cacheWrite", label: "Into its cache", help: "For what it is to keep.", placeholder: "as reading" },
];

interface PriceProps {
  prices: Prices;
  /** What counts where nothing is set, if that is known. */
  inherited?: Prices | null;
  locked: boolean;
  reason: (key: keyof Prices) => string | undefined;
  onChange: (prices: Prices) => void;
}

/** What tokens cost. */
export function PriceFields({ prices, inherited, locked, reason, onChange }: PriceProps) {
  return PRICES.map(({ key, label, help, placeholder }) => (
    <FieldRow key={key} label={label} help={help} problem={reason(key)} disabled={locked}>
      {(marks) => (
        <NumberBox
          marks={marks}
          value={prices[key]}
          placeholder={inherited?.[key]?.toString() ?? placeholder}
          unit="USD/M tokens"
          onChange={(price) => onChange({ ...prices, [key]: price })}
        />
      )}
    </FieldRow>
  ));
}
