import { Link } from "@tanstack/react-router";
import type { History, Metrics } from "../../api/metrics";
import { bytes } from "../../ui/format";
import { Sparkline } from "../../ui/Sparkline";

interface Tile {
  label: string;
  value: string;
  more: string;
  course: readonly (number | null)[] | null;
}

const percent = (part: number | null) => (part === null ? "–" : `${Math.round(part * 100)} %`);

function tiles(latest: Metrics | undefined, history: History | undefined): Tile[] {
  const host = latest?.host;
  if (!host)
    return ["Processor", "Memory", "Disk", "Graphics"].map((label) => ({ label, value: "–", more: "", course: [] }));
  const cards = host.gpu ?? [];
  const { total, used } = host.memory;
  return [
    {
      label: "Processor",
      value: percent(host.cpu),
      more: `of ${host.cores} ${host.cores === 1 ? "core" : "cores"}`,
      course: history?.host.cpu ?? [],
    },
    {
      label: "Memory",
      value: percent(used / total),
      more: `${bytes(total - used)} free`,
      course: history?.host.memory?.map((value) => (value === null ? null : value / total)) ?? [],
    },
    {
      label: "Disk",
      value: host.disk ? percent(host.disk.used / host.disk.total) : "–",
      more: host.disk ? `${bytes(host.disk.total - host.disk.used)} free` : "not known",
      course: null,
    },
    {
      label: "Graphics",
      value: cards.length > 0 ? percent(history?.host.gpu?.at(-1) ?? cards[0]?.use ?? null) : "None",
      more: cards.length > 1 ? `${cards.length} cards` : (cards[0]?.name ?? "no NVIDIA card"),
      course: cards.length > 0 ? (history?.host.gpu ?? []) : null,
    },
  ];
}

/** How busy the machine is, at a glance; each leads to the charts. */
export function Machine({ latest, history }: { latest: Metrics | undefined; history: History | undefined }) {
  return (
    <section className="tiles" aria-label="Machine">
      {tiles(latest, history).map(({ label, value, more, course }) => (
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
