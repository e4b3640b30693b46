import { Fragment, useState } from "react";
import type { Span } from "../../api/debug";
import { type Row, took, waterfall } from "./waterfall";

const LAYERS: Record<string, string> = {
  browser: "Browser",
  http: "HTTP",
  realtime: "Socket",
  agents: "Agent",
  storage: "Storage",
  inference: "Inference",
  engine: "Engine",
};
const TICKS = [0, 0.25, 0.5, 0.75, 1];
const percent = (part: number) => `${(part * 100).toFixed(3)}%`;

function Bar({ row }: { row: Row }) {
  return (
    <span className="wf-track" aria-hidden="true">
      <span
        className="wf-bar"
        data-layer={row.span.layer}
        data-error={row.span.error !== null}
        style={{ left: percent(row.from), width: percent(row.to - row.from) }}
      />
      {row.marks.map((mark) => (
        <span key={`${mark.at} ${mark.name}`} className="wf-mark" style={{ left: percent(mark.at) }} />
      ))}
    </span>
  );
}

/** All of one request: a row for each operation, its bar where it lies in the whole. */
export function Waterfall({ spans }: { spans: readonly Span[] }) {
  const { rows, ms, shift } = waterfall(spans);
  const [picked, setPicked] = useState<string | null>(null);
  const chosen = rows.find((row) => row.span.id === picked);
  const layers = Object.keys(LAYERS).filter((layer) => rows.some(({ span }) => span.layer === layer));
  return (
    <>
      <ul className="wf-legend" aria-label="Layers">
        {layers.map((layer) => (
          <li key={layer} data-layer={layer}>
            {LAYERS[layer]}
          </li>
        ))}
      </ul>
      <table className="wf" data-testid="waterfall">
        <caption className="unseen">Operations of this request, in milliseconds from its beginning</caption>
        <thead>
          <tr>
            <th scope="col">Operation</th>
            <th scope="col" className="number">
              From
            </th>
            <th scope="col" className="number">
              Took
            </th>
            <th scope="col" className="wf-axis">
              <span className="unseen">Place in the whole</span>
              {TICKS.map((tick) => (
                <span key={tick} aria-hidden="true" style={{ left: percent(tick) }}>
                  {tick === 0 ? "0" : took(tick * ms)}
                </span>
              ))}
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <Fragment key={row.span.id}>
              <tr data-testid="span-row" data-layer={row.span.layer} aria-current={row === chosen}>
                <th scope="row" style={{ paddingLeft: `calc(${Math.min(row.depth, 8)} * var(--wf-step))` }}>
                  <button
                    type="button"
                    aria-expanded={row === chosen}
                    data-error={row.span.error !== null}
                    onClick={() => setPicked(row === chosen ? null : row.span.id)}
                  >
                    {row.span.name}
                  </button>
                </th>
                <td className="number">{took(row.after)}</td>
                <td className="number">{took(row.span.ms)}</td>
                <td className="wf-cell">
                  <Bar row={row} />
                </td>
              </tr>
              {row === chosen && (
                <tr className="wf-facts">
                  <td colSpan={4}>
                    <SpanFacts row={row} />
                  </td>
                </tr>
              )}
            </Fragment>
          ))}
        </tbody>
      </table>
      {Math.abs(shift) > 0.5 && (
        <p className="hint">
          The browser's clock differs from the server's by {took(Math.abs(shift))}; its bars were moved to fit.
        </p>
      )}
    </>
  );
}

function SpanFacts({ row: { span, marks } }: { row: Row }) {
  const facts = Object.entries(span.attributes);
  return (
    <section className="span-facts" aria-label={`Facts of ${span.name}`}>
      <h3>{span.name}</h3>
      {span.error && <p className="error">{span.error}</p>}
      <dl>
        <dt>Layer</dt>
        <dd>{LAYERS[span.layer] ?? span.layer}</dd>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{String(value)}</dd>
          </div>
        ))}
        {marks.slice(0, 40).map((mark) => (
          <div key={`${mark.at} ${mark.name}`}>
            <dt>{mark.name}</dt>
            <dd>after {took(mark.after)}</dd>
          </div>
        ))}
        <dt>Span</dt>
        <dd>
          <code>{span.id}</code>
        </dd>
      </dl>
    </section>
  );
}
