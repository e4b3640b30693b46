import { useQueries, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { listFigures, readFigure } from "../../api/debug";
import { sentence } from "../../api/explain";
import { whole } from "../../ui/format";
import { Segments } from "../../ui/Segments";

const RANGES = [
  { value: "60", label: "1 min" },
  { value: "600", label: "10 min" },
  { value: "86400", label: "All" },
] as const;
const EVERY = 10_000;
const COLUMNS = ["avg", "min", "p50", "p95", "p99", "max"] as const;

const figure = (value: number | null) => (value === null ? "–" : value < 10 ? value.toFixed(2) : whole(value));

/** Durations of all that is measured, added up over a range of time. */
export function Figures() {
  const [range, setRange] = useState<(typeof RANGES)[number]["value"]>("600");
  const names = useQuery({ queryKey: ["debug", "figures"], queryFn: listFigures, refetchInterval: EVERY });
  const rows = useQueries({
    queries: Object.keys(names.data ?? {})
      .slice(0, 60)
      .map((name) => ({
        queryKey: ["debug", "figure", name, range],
        queryFn: () => readFigure(name, Math.max(0, Date.now() / 1000 - Number(range))),
        refetchInterval: EVERY,
      })),
  });
  const known = rows.flatMap(({ data }) => (data && data.count > 0 ? [data] : []));
  return (
    <>
      <Segments label="Range" options={RANGES} value={range} onChange={setRange} />
      {names.isPending && <p className="hint late">Reading…</p>}
      {names.error && (
        <p role="alert" className="error">
          {sentence(names.error)}
        </p>
      )}
      {names.data && known.length === 0 && <p className="hint">Nothing was measured in this time.</p>}
      {known.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
        <section className="event-log" tabIndex={0} aria-label="Figures">
          <table>
            <caption className="hint">Milliseconds, but engine.tokens_per_second</caption>
            <thead>
              <tr>
                <th scope="col">Operation</th>
                <th scope="col" className="number">
                  Count
                </th>
                {COLUMNS.map((name) => (
                  <th scope="col" key={name} className="number">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {known.map((one) => (
                <tr key={one.name}>
                  <th scope="row">{one.name}</th>
                  <td className="number">{whole(one.count)}</td>
                  {COLUMNS.map((name) => (
                    <td key={name} className="number">
                      {figure(one[name])}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  );
}
