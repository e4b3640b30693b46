/** A graphics card, from its driver. */
export interface Gpu {
  name: string;
  /** 0 to 1. */
  utilization?: number | null;
  memory?: { used: number; total: number } | null;
  temperature?: number | null;
  power?: number | null;
}

export interface HostMetrics {
  /** 0 to 1, over all cores. */
  cpu: number | null;
  memory: { used: number; total: number } | null;
  disk?: { used: number; total: number } | null;
  network?: { received: number; sent: number } | null;
  gpu: Gpu[] | null;
  /** Seconds. */
  uptime: number | null;
}

export interface EngineMetrics {
  name: string;
  state: string;
  rss: number | null;
  cpu: number | null;
  tokensPerSecond: number | null;
  promptTokensPerSecond: number | null;
  slotsBusy: number | null;
  slots: number | null;
  /** 0 to 1. */
  kvUse: number | null;
  queue: number | null;
  requests: number | null;
}

/** What `metrics:update` carries every ten seconds. */
export interface Metrics {
  at: string;
  host: HostMetrics;
  server: { rss: number | null; cpu: number | null };
  engines: EngineMetrics[];
}

export const RANGES = ["10m", "1h", "24h", "7d", "30d"] as const;
export type Range = (typeof RANGES)[number];

/** Seconds that a range looks back. */
export const SPAN: Record<Range, number> = { "10m": 600, "1h": 3_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000 };

/** The points of an answer to `metrics:history`, oldest first. */
export function readHistory(answer: unknown): readonly Metrics[] {
  const { points = [] } = (answer ?? {}) as { points?: Metrics[] };
  return points;
}
