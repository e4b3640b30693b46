import type { Plot } from "../../engine/series";
import { stamp, type Unit } from "./units";

const ROWS = 200;

/** The figures of a chart, the newest first. */
export function ChartTable({ title, unit, plot }: { title: string; unit: Unit; plot: Plot }) {
  const { x, lines } = plot;
  const span = (x.at(-1) ?? 0) - (x[0] ?? 0);
  const rows = x
    .map((moment, index) => ({ moment, values: lines.map(({ values }) => values[index] ?? null) }))
    .filter(({ values }) => values.some((value) => value !== null))
    .slice(-ROWS)
    .reverse();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
    <section className="chart-table" tabIndex={0} aria-label={`Figures of ${title}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {lines.map(({ label }) => (
              <th scope="col" key={label}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ moment, values }) => (
            <tr key={moment}>
              <th scope="row">{stamp(moment, span)}</th>
              {values.map((value, index) => (
                <td key={lines[index]?.label}>{unit.say(value)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
