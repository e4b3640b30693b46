/** A graphics card, from its driver. */
export interface Gpu {
  name: string;
  /** 0 to 1. */
  use: number | null;
  memory: { used: number; total: number };
  temperature?: number | null;
  power?: number | null;
}

export interface HostMetrics {
  /** 0 to 1, over all cores. */
  cpu: number | null;
  cores: number;
  memory: { used: number; total: number };
  disk: { used: number; total: number } | null;
  /** Bytes a second. */
  network: { received: number; sent: number } | null;
  /** Null where there is none that can be asked. */
  gpu: Gpu[] | null;
  /** Seconds. */
  uptime: number;
}

export interface EngineMetrics {
  name: string;
  state: string;
  /** Bytes that its processes hold. */
  rss: number | null;
  /** In cores: 1 is one core. */
  cpu: number | null;
  tokensPerSecond: number | null;
  promptTokensPerSecond: number | null;
  slotsBusy: number;
  slots: number;
  /** 0 to 1. */
  kvUse: number | null;
  queue: number;
  /** Since the server's start. */
  requests: number;
}

/** What `metrics:update` carries every ten seconds. */
export interface Metrics {
  at: string;
  host: HostMetrics;
  /** Corral's own process; the processor in cores. */
  server: { rss: number; cpu: number | null; uptime: number };
  engines: EngineMetrics[];
}

export const RANGES = ["10m", "1h", "24h", "7d", "30d"] as const;
export type Range = (typeof RANGES)[number];

/** Seconds that a range looks back. */
export const SPAN: Record<Range, number> = { "10m": 600, "1h": 3_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000 };

type Column = readonly (number | null)[];

/** What `metrics:history` answers: columns over one list of moments, null where nothing was measured. */
export interface History {
  /** Milliseconds since 1970, ascending. */
  at: readonly number[];
  /** Seconds between two moments. */
  step: number;
  host: Readonly<Record<string, Column>>;
  server: Readonly<Record<string, Column>>;
  engines: Readonly<Record<string, Readonly<Record<string, Column>>>>;
  /** How many further engines ran, less busy than those. */
  more: number;
}
