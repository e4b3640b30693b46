import { call } from "./client";

/** A moment within a span, in milliseconds since 1970. */
export interface Mark {
  at: number;
  name: string;
}

export type Fact = string | number | boolean;

/** One operation; `start` in milliseconds since 1970, by the clock of where it happened. */
export interface Span {
  id: string;
  parentId: string | null;
  traceId: string;
  name: string;
  layer: string;
  start: number;
  ms: number;
  attributes: Readonly<Record<string, Fact>>;
  error: string | null;
  marks: readonly Mark[];
}

export interface Failure {
  id: number | string;
  code: string;
  message: string;
  userMessage: string;
  action: string;
  where: string;
  /** ISO 8601, UTC. */
  first: string;
  last: string;
  count: number;
  about: Readonly<Record<string, string>>;
  requestIds: readonly string[];
  recovery: string | null;
  type: string;
  severity: string;
  recoverable: boolean;
  strategy: readonly string[];
}

export interface TraceRow {
  requestId: string;
  kind: "turn" | "control" | "request";
  name: string;
  turnId: string | null;
  agentId: string | null;
  model: string | null;
  start: number;
  ms: number | null;
  firstTokenMs: number | null;
  error: string;
  spans: number | null;
}

export interface Trace {
  requestId: string;
  turnId: string | null;
  agentId: string | null;
  model: string | null;
  spans: readonly Span[];
  lost: number;
  errors: readonly Failure[];
}

export interface FlameNode {
  name: string;
  file: string;
  line: number;
  cpuMs: number;
  wallMs: number;
  children: readonly FlameNode[];
}

export interface Profile {
  startedAt: number;
  seconds: number;
  rate: number;
  samples: number;
  processorTimes: boolean;
  /** Processor time of the profiler itself. */
  ownMs: number;
  tree: FlameNode;
  functions: readonly { name: string; file: string; line: number; ownCpuMs: number; ownWallMs: number }[];
}

export interface Aggregate {
  name: string;
  count: number;
  sum: number;
  avg: number | null;
  min: number | null;
  max: number | null;
  p50: number | null;
  p95: number | null;
  p99: number | null;
}

/** A span of this page, as it is told. */
export interface PageSpan {
  requestId: string;
  traceId: string;
  id: string;
  parentId?: string;
  name: string;
  start: number;
  ms: number;
  attributes?: Record<string, Fact>;
  error?: string;
  marks?: Mark[];
}

/** What went wrong in this page, as it is told. */
export interface PageError {
  code: string;
  where: string;
  /** Milliseconds since 1970. */
  at: number;
  message?: string;
  requestId?: string;
  recovery?: string;
}

const ask = async <T>(path: string) => (await call<{ data: T }>("GET", `/api/v1/debug/${path}`)).data;
const id = encodeURIComponent;

export const listTraces = (kind: string) => ask<{ traces: TraceRow[] }>(`traces?kind=${id(kind)}&limit=100`);
/** By the id of a request or of a turn. */
export const readTrace = (key: string) => ask<Trace>(`traces/${id(key)}`);
export const listFailures = async () => (await ask<{ errors: Failure[] }>("errors?limit=200")).errors;
export const takeProfile = (seconds: number) => ask<Profile>(`profile?seconds=${seconds}`);
export const listFigures = async () => (await ask<{ names: Record<string, number> }>("metrics")).names;
export const readFigure = (name: string, since: number) => ask<Aggregate>(`metrics?name=${id(name)}&since=${since}`);
export const tellSpans = (spans: readonly PageSpan[]) => call<unknown>("POST", "/api/v1/debug/spans", { spans });
export const tellErrors = (errors: readonly PageError[]) => call<unknown>("POST", "/api/v1/debug/spans", { errors });
