import { Link } from "@tanstack/react-router";
import type { Metrics } from "../../api/metrics";
import { bytes } from "../../ui/format";
import { Sparkline } from "../../ui/Sparkline";

interface Tile {
  label: string;
  value: string;
  more: string;
  course: readonly (number | null)[] | null;
}

const percent = (part: number | null) => (part === null ? "–" : `${Math.round(part * 100)} %`);

function mean(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}

function tiles(points: readonly Metrics[]): Tile[] {
  const host = points.at(-1)?.host;
  if (!host)
    return ["Processor", "Memory", "Disk", "Graphics"].map((label) => ({ label, value: "–", more: "", course: [] }));
  const load = ({ gpu }: Metrics["host"]) => (gpu ? mean(gpu.map(({ use }) => use)) : null);
  const cards = host.gpu?.length ?? 0;
  return [
    {
      label: "Processor",
      value: percent(host.cpu),
      more: `of ${host.cores} ${host.cores === 1 ? "core" : "cores"}`,
      course: points.map((point) => point.host.cpu),
    },
    {
      label: "Memory",
      value: percent(host.memory.used / host.memory.total),
      more: `${bytes(host.memory.total - host.memory.used)} free`,
      course: points.map((point) => point.host.memory.used / point.host.memory.total),
    },
    {
      label: "Disk",
      value: host.disk ? percent(host.disk.used / host.disk.total) : "–",
      more: host.disk ? `${bytes(host.disk.total - host.disk.used)} free` : "not known",
      course: null,
    },
    {
      label: "Graphics",
      value: cards > 0 ? percent(load(host)) : "None",
      more: cards > 1 ? `${cards} cards` : (host.gpu?.[0]?.name ?? "no card that can be asked"),
      course: cards > 0 ? points.map((point) => load(point.host)) : null,
    },
  ];
}

/** How busy the machine is, at a glance; each leads to the charts. */
export function Machine({ points }: { points: readonly Metrics[] }) {
  return (
    <section className="tiles" aria-label="Machine">
      {tiles(points).map(({ label, value, more, course }) => (
        <Link key={label} to="/monitoring" className="tile">
          <span className="tile-label">{label}</span>
          <span className="tile-value">{value}</span>
          <span className="tile-more" title={more}>
            {more}
          </span>
          {course && <Sparkline values={course} top={1} />}
        </Link>
      ))}
    </section>
  );
}
