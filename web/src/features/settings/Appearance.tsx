import { useState } from "react";
import { DENSITIES, type Density, density, showDensity } from "../../ui/density";
import { Segments } from "../../ui/Segments";
import { useScheme } from "../../ui/useScheme";

const THEMES = [
  { value: "auto", label: "As the system" },
  { value: "light", label: "Light" },
  { value: "dark", label: "Dark" },
] as const;
const WORDS: Record<Density, string> = { comfortable: "Comfortable", compact: "Compact" };

/** How this browser shows Corral. */
export function Appearance() {
  const { scheme, choose } = useScheme();
  const [chosen, setChosen] = useState(density);
  return (
    <section aria-label="Appearance" className="setting-section">
      <h2>Appearance</h2>
      <p className="hint">Kept in this browser.</p>
      <div className="setting-row">
        <span>Theme</span>
        <Segments label="Theme" options={THEMES} value={scheme} onChange={choose} />
      </div>
      <div className="setting-row">
        <span>Density</span>
        <Segments
          label="Density"
          options={DENSITIES.map((value) => ({ value, label: WORDS[value] }))}
          value={chosen}
          onChange={(value) => {
            setChosen(value);
            showDensity(value);
          }}
        />
      </div>
    </section>
  );
}
