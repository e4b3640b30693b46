import "uplot/dist/uPlot.min.css";
import { useEffect, useId, useRef, useState } from "react";
import uPlot from "uplot";
import type { Plot } from "../../engine/series";
import { useScheme } from "../../ui/useScheme";
import { ChartTable } from "./ChartTable";
import { axisStamp, stamp, tick, type Unit } from "./units";

const HEIGHT = 176;

interface Props {
  title: string;
  unit: Unit;
  plot: Plot;
  /** What the time axis shows, in seconds since 1970. */
  from: number;
  to: number;
  /** The highest value there can be, when there is one. */
  top?: number | null;
  /** What is said when there is nothing to draw. */
  empty: string;
  onBrush: (from: number, to: number) => void;
}

const token = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The look of line number `index`: three colours, then the same dashed. */
function look(index: number): { stroke: string; dash?: number[] } {
  const stroke = token(["--accent", "--ink", "--soft"][index % 3] ?? "--accent");
  return index < 3 ? { stroke } : { stroke, dash: [4, 4] };
}

function axes(unit: Unit): uPlot.Axis[] {
  const [stroke, line] = [token("--soft"), token("--line")];
  const common = { stroke, font: "12px system-ui", ticks: { show: false }, border: { show: false } };
  return [
    {
      ...common,
      grid: { show: false },
      space: 88,
      size: 28,
      values: (chart, splits) => {
        const { min = 0, max = 0 } = chart.scales.x ?? {};
        return splits.map((moment) => axisStamp(moment, (max ?? 0) - (min ?? 0)));
      },
    },
    {
      ...common,
      grid: { stroke: line, width: 1 },
      size: 64,
      space: 36,
      values: (_, splits) => splits.map((value) => tick(unit, value)),
    },
  ];
}

function dataOf({ x, lines }: Plot): uPlot.AlignedData {
  return [[...x], ...lines.map(({ values }) => [...values])];
}

interface Making {
  unit: Unit;
  labels: readonly string[];
  width: number;
  top: number | null;
  onIndex: (index: number | null) => void;
  onBrush: (from: number, to: number) => void;
}

function options({ unit, labels, width, top, onIndex, onBrush }: Making): uPlot.Options {
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    padding: [8, 20, 0, 0],
    cursor: {
      sync: { key: "corral" },
      drag: { x: true, y: false, setScale: false },
      y: false,
      points: { size: 6 },
      focus: { prox: -1 },
    },
    scales: { y: { range: (_, __, highest) => [0, top ?? (Math.max(highest, 0) * 1.1 || 1)] } },
    axes: axes(unit),
    series: [{}, ...labels.map((label, index) => ({ label, width: 1.5, points: { show: false }, ...look(index) }))],
    hooks: {
      setCursor: [(chart) => onIndex(chart.cursor.idx ?? null)],
      setSelect: [
        (chart) => {
          const { left, width: wide } = chart.select;
          if (wide < 8) return;
          onBrush(chart.posToVal(left, "x"), chart.posToVal(left + wide, "x"));
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
}

/** Lines over time, with what they say under the pointer, and the same figures as a table. */
export function Chart({ title, unit, plot, from, to, top = null, empty, onBrush }: Props) {
  const id = useId();
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const brush = useRef(onBrush);
  brush.current = onBrush;
  const { shade } = useScheme();
  const [width, setWidth] = useState(0);
  const [index, setIndex] = useState<number | null>(null);
  const [asTable, setAsTable] = useState(false);
  const labels = plot.lines.map(({ label }) => label);
  const named = labels.join("\n");
  const drawn = labels.length > 0 && !asTable && width > 0;
  const latest = useRef({ plot, from, to });
  latest.current = { plot, from, to };

  useEffect(() => {
    const box = place.current;
    if (!box) return;
    const observer = new ResizeObserver(() => setWidth(Math.floor(box.clientWidth)));
    observer.observe(box);
    return () => observer.disconnect();
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: other colours need another drawing
  useEffect(() => {
    const box = place.current;
    if (!box || !drawn) return;
    const onMarked = (start: number, end: number) => brush.current(start, end);
    const made = options({ unit, labels: named.split("\n"), width, top, onIndex: setIndex, onBrush: onMarked });
    const now = new uPlot(made, dataOf(latest.current.plot), box);
    now.setScale("x", { min: latest.current.from, max: latest.current.to });
    chart.current = now;
    return () => {
      chart.current = null;
      now.destroy();
    };
  }, [drawn, named, unit, width, top, shade]);

  // Only for other figures: the pointer alone draws nothing anew.
  useEffect(() => {
    const now = chart.current;
    if (!now || now.series.length !== plot.lines.length + 1) return;
    now.batch(() => {
      now.setData(dataOf(plot), false);
      now.setScale("x", { min: from, max: to });
    });
  }, [plot, from, to]);

  const at = index !== null && index < plot.x.length ? index : plot.x.length - 1;
  const moment = plot.x[at];
  return (
    <section className="chart" aria-labelledby={id}>
      <header>
        <h2 id={id}>{title}</h2>
        <span className="chart-unit">
          {index !== null && moment !== undefined ? stamp(moment, to - from) : unit.label}
        </span>
        <button type="button" className="link" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
          Table<span className="unseen"> of {title}</span>
        </button>
      </header>
      <div className="chart-place" ref={place} data-testid="chart">
        {labels.length === 0 && <p className="hint chart-empty">{empty}</p>}
        {labels.length > 0 && asTable && <ChartTable title={title} unit={unit} plot={plot} />}
      </div>
      <ul className="legend" aria-hidden={asTable}>
        {plot.lines.map(({ label, values }, line) => (
          <li key={label} data-line={line}>
            <span className="legend-mark" aria-hidden="true" />
            <span className="legend-name" title={label}>
              {label}
            </span>
            <span className="figure">{unit.say(values[at] ?? null)}</span>
          </li>
        ))}
        {plot.more > 0 && <li className="hint">and {plot.more} more</li>}
      </ul>
    </section>
  );
}
