import type { Metrics } from "../../api/metrics";

export interface Part {
  label: string;
  bytes: number;
  kind: "engine" | "corral" | "others" | "free";
}

/** What holds the machine's memory: each engine, Corral, other programs, and what is free. Together it is all of it. */
export function memoryParts({ host, server, engines }: Metrics): Part[] {
  const { used, total } = host.memory;
  const own: Part[] = engines
    .filter(({ rss }) => rss !== null && rss > 0)
    .map(({ name, rss }) => ({ label: name, bytes: rss ?? 0, kind: "engine" as const }))
    .sort((a, b) => b.bytes - a.bytes);
  const corral: Part = { label: "Corral itself", bytes: server.rss, kind: "corral" };
  const known = [...own, corral].reduce((sum, part) => sum + part.bytes, 0);
  // Shared pages are counted with each engine, so the sum may be beyond what is in use.
  const others = Math.max(0, used - known);
  const free = Math.max(0, total - known - others);
  return [
    ...own,
    corral,
    { label: "Other programs", bytes: others, kind: "others" },
    { label: "Free", bytes: free, kind: "free" },
  ];
}
