import { useDocumentTitle } from "@mantine/hooks";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useMemo, useState } from "react";
import { sentence } from "../../api/explain";
import { type History, RANGES, type Range, SPAN } from "../../api/metrics";
import { between } from "../../engine/series";
import { useMetrics } from "../../ui/metrics";
import { Segments } from "../../ui/Segments";
import { Chart } from "./Chart";
import { engineCharts, hostCharts, type Shown } from "./charts";
import { stamp } from "./units";
import "../../ui/controls.css";
import "./monitoring.css";

const NAMES: Record<Range, string> = {
  "10m": "10 min",
  "1h": "Hour",
  "24h": "Day",
  "7d": "Week",
  "30d": "30 days",
};

const NOTHING: History = { at: [], step: 10, host: {}, server: {}, engines: {}, more: 0 };

/** Where the time axis begins and ends: what was marked, or all of the range up to the newest measurement. */
function useWindow(range: Range, newest: number | undefined) {
  const [marked, setMarked] = useState<{ from: number; to: number } | null>(null);
  useEffect(() => {
    if (!marked) return;
    const pressed = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.defaultPrevented) setMarked(null);
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, [marked]);
  const to = Math.floor((newest ?? Date.now()) / 1000);
  return { marked, setMarked, ...(marked ?? { from: to - SPAN[range], to }) };
}

/** How the machine and the engines fare, now and before. */
export function MonitoringPage() {
  useDocumentTitle("Monitoring · Corral");
  const { range = "10m", engine = null } = useSearch({ from: "/monitoring" });
  const navigate = useNavigate({ from: "/monitoring" });
  const { history = NOTHING, latest, error, pending } = useMetrics(range);
  const { marked, setMarked, from, to } = useWindow(range, history.at.at(-1));
  const engines = Object.keys(history.engines).sort();
  const host = useMemo(() => hostCharts(history, latest), [history, latest]);
  const models = useMemo(() => engineCharts(history, engine), [history, engine]);
  const draw = (shown: readonly Shown[]) =>
    shown.map((chart) => (
      <Chart
        key={chart.title}
        {...chart}
        plot={marked ? between(chart.plot, from, to) : chart.plot}
        empty={pending ? "" : chart.empty}
        from={from}
        to={to}
        onBrush={(start, end) => setMarked({ from: start, to: end })}
      />
    ));
  return (
    <div className="page wide monitoring">
      <header className="monitoring-head">
        <h1>Monitoring</h1>
        <Segments
          label="Time shown"
          options={RANGES.map((one) => ({ value: one, label: NAMES[one] }))}
          value={range}
          onChange={(one) => {
            setMarked(null);
            void navigate({ replace: true, search: (before) => ({ ...before, range: one }) });
          }}
        />
      </header>
      {error && (
        <p className="error" role="alert">
          {sentence(error)}
        </p>
      )}
      <p className="monitoring-note hint" role="status">
        {marked ? (
          <>
            {stamp(from, SPAN[range])} to {stamp(to, SPAN[range])}.{" "}
            <button type="button" className="link" onClick={() => setMarked(null)}>
              Show all
            </button>
          </>
        ) : (
          <span className="with-mouse">Draw over a chart to look at a part of it.</span>
        )}
      </p>
      <div className="charts">{draw(host)}</div>
      {latest && !latest.host.gpu && (
        <p className="hint no-graphics">
          No graphics card that Corral can ask: it reads NVIDIA cards through their driver.
        </p>
      )}
      <header className="monitoring-head">
        <h2 className="part">Engines</h2>
        {engines.length > 1 && (
          <select
            className="control"
            aria-label="Engine"
            value={engine ?? ""}
            onChange={(event) => {
              const name = event.currentTarget.value || undefined;
              void navigate({ replace: true, search: (before) => ({ ...before, engine: name }) });
            }}
          >
            <option value="">All engines</option>
            {engines.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        )}
      </header>
      <div className="charts">{draw(models)}</div>
    </div>
  );
}
