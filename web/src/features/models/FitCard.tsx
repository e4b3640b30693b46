import type { Fit } from "../../api/models";
import { bytes } from "../../ui/format";

const WORDS: Record<string, string> = {
  fits: "Fits this machine",
  tight: "Tight on this machine",
  no: "Too large for this machine",
};
const NAMES: Record<string, string> = {
  weights: "Weights",
  kv: "Context (KV cache)",
  kvCache: "Context (KV cache)",
  compute: "Working memory",
  output: "Output",
  projector: "Image projector",
  draft: "Draft model",
  promptCache: "Prompt cache",
  runtime: "Engine itself",
};

/** A part of the prediction by its name on the wire. */
export const partName = (name: string) =>
  NAMES[name] ??
  name.replace(/([A-Z])/g, (sign) => ` ${sign.toLowerCase()}`).replace(/^./, (sign) => sign.toUpperCase());

/** What a model with these settings needs of this machine's memory, as a bar with the table behind it. */
export function FitCard({ fit, busy }: { fit: Fit; busy?: boolean }) {
  const parts = Object.entries(fit.parts).filter(([, size]) => size > 0);
  const room = Math.max(fit.total, fit.machine?.total ?? 0, 1);
  return (
    <section className="fit-card" aria-label="Memory" aria-busy={busy} data-verdict={fit.verdict}>
      <p className="fit-line">
        <strong className="fit" data-verdict={fit.verdict}>
          {WORDS[fit.verdict] ?? fit.verdict}
        </strong>
        <span className="figure">
          {bytes(fit.total)}
          {fit.machine && ` of ${bytes(fit.machine.total)}, ${bytes(fit.machine.available)} free now`}
        </span>
      </p>
      <div className="fit-bar" aria-hidden="true">
        {parts.map(([name, size], at) => (
          <span key={name} data-at={at % 6} style={{ width: `${(size / room) * 100}%` }} />
        ))}
      </div>
      {fit.reason && <p className="hint">{fit.reason}</p>}
      <details>
        <summary>What takes the memory</summary>
        <table className="plain">
          <thead className="unseen">
            <tr>
              <th>Part</th>
              <th>Size</th>
            </tr>
          </thead>
          <tbody>
            {parts.map(([name, size], at) => (
              <tr key={name}>
                <th scope="row">
                  <span className="swatch" data-at={at % 6} aria-hidden="true" />
                  {partName(name)}
                </th>
                <td className="number">{bytes(size)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </section>
  );
}
