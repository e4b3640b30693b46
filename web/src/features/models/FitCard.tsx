import type { ReactNode } from "react";
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
  compute: "Working memory",
  output: "Output",
  projector: "Image projector",
  draft: "Draft model",
  adapters: "Adapters",
  promptCache: "Prompt cache",
  runtime: "Engine itself",
};

/** A part of the prediction by its name on the wire. */
export const partName = (name: string) =>
  NAMES[name] ??
  name.replace(/([A-Z])/g, (sign) => ` ${sign.toLowerCase()}`).replace(/^./, (sign) => sign.toUpperCase());

/** What a model with these settings needs of this machine's memory, as a bar with the table behind it. */
export function FitCard({ fit, busy, children }: { fit: Fit; busy?: boolean; children?: ReactNode }) {
  const parts = Object.entries(fit.parts).filter(([, size]) => size > 0);
  const devices = Object.entries(fit.perDevice ?? {});
  const cards = devices.length > 1 ? devices : [];
  const memory = (fit.machine?.devices ?? []).reduce((sum, card) => sum + card.total, fit.machine?.total ?? 0);
  const room = Math.max(fit.total, memory, 1);
  return (
    <section className="fit-card" aria-label="Predicted memory" aria-busy={busy} data-verdict={fit.verdict}>
      <p className="fit-line">
        <strong className="fit" data-verdict={fit.verdict}>
          {WORDS[fit.verdict] ?? fit.verdict}
        </strong>
        <span className="figure hint">{fit.reason}</span>
      </p>
      <div className="fit-bar" aria-hidden="true">
        {parts.map(([name, size], at) => (
          <span key={name} data-at={at % 6} style={{ width: `${(size / room) * 100}%` }} />
        ))}
      </div>
      {fit.notes?.map((note) => (
        <p key={note} className="hint">
          {note}
        </p>
      ))}
      {children}
      <details>
        <summary>What takes the memory</summary>
        <table className="parts-table">
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
            <tr>
              <th scope="row">Together</th>
              <td className="number">{bytes(fit.total)}</td>
            </tr>
            {cards.map(([name, size]) => (
              <tr key={name}>
                <th scope="row">of that on {name === "host" ? "the machine" : name}</th>
                <td className="number">{bytes(size)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </section>
  );
}
