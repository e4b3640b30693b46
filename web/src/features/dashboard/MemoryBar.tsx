import type { Metrics } from "../../api/metrics";
import { bytes } from "../../ui/format";
import { memoryParts } from "./memory";

const NAMED = 5;

/** The machine's memory and who holds it; `budget` is what engines may have together. */
export function MemoryBar({ latest, budget }: { latest: Metrics | undefined; budget: number | null }) {
  if (!latest) return <div className="memory" />;
  const parts = memoryParts(latest);
  const { total } = latest.host.memory;
  const engines = parts.filter(({ kind }) => kind === "engine");
  const held = engines.reduce((sum, part) => sum + part.bytes, 0);
  const rest = parts.filter(({ kind }) => kind !== "engine");
  const few = engines.length > NAMED ? [...engines.slice(0, NAMED - 1), others(engines.slice(NAMED - 1))] : engines;
  return (
    <section className="memory" aria-labelledby="memory-title">
      <header>
        <h2 id="memory-title">Memory</h2>
        <span className="memory-sum">
          Engines hold {bytes(held)} of {bytes(budget ?? total)}
          {budget !== null && " that they may have"}
        </span>
      </header>
      <div className="memory-bar" aria-hidden="true">
        {[...few, ...rest].map(({ label, bytes: size, kind }, index) => (
          <span
            key={label}
            data-kind={kind}
            data-shade={kind === "engine" ? index % 3 : undefined}
            style={{ flexGrow: size }}
            title={`${label}: ${bytes(size)}`}
          />
        ))}
        {budget !== null && budget < total && (
          <i
            className="memory-budget"
            style={{ left: `${(budget / total) * 100}%` }}
            title={`Budget: ${bytes(budget)}`}
          />
        )}
      </div>
      <ul className="memory-names">
        {[...few, ...rest].map(({ label, bytes: size, kind }, index) => (
          <li key={label}>
            <span
              className="memory-mark"
              data-kind={kind}
              data-shade={kind === "engine" ? index % 3 : undefined}
              aria-hidden="true"
            />
            <span className="memory-name">{label}</span>
            <span className="figure">{bytes(size)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function others(parts: { bytes: number }[]) {
  const sum = parts.reduce((total, part) => total + part.bytes, 0);
  return { label: `${parts.length} further engines`, bytes: sum, kind: "engine" as const };
}
