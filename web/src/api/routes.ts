import type { Prices, Removed } from "./providers";

export const STRATEGIES = ["ordered", "weighted", "latency", "cost", "local_first"] as const;
export type Strategy = (typeof STRATEGIES)[number];

/** The provider that is this machine's own engines. */
export const LOCAL = "local";

export type Json = Readonly<Record<string, unknown>>;

export interface Candidate {
  provider: string;
  model: string;
  weight: number;
  parameters: Json;
  prefill: boolean | null;
  price: Prices | null;
}

/** What happens to the parameters of a request. */
export interface Rules {
  set: Json;
  default: Json;
  remove: readonly string[];
  clamp: Readonly<Record<string, readonly [number | null, number | null]>>;
}

export interface Route {
  id: string;
  name: string;
  description: string;
  enabled: boolean;
  strategy: Strategy;
  candidates: readonly Candidate[];
  parameters: Rules;
  /** Seconds. */
  firstContentTimeout: number | null;
  totalTimeout: number | null;
  attempts: number;
  spillQueue: number;
  spillAfter: number;
  /** `ttl` in seconds. */
  cache: { ttl: number; always: boolean } | null;
  mirror: Candidate | null;
  mirrorShare: number;
  version: number;
  source: string;
  readOnly: boolean;
  /** Why candidates cannot answer now, by their place; null is the mirror. */
  problems: readonly { candidate: number | null; message: string }[];
  /** Whether a local model of the same name can no longer be asked for by it. */
  shadows: boolean;
  createdAt: string | null;
  updatedAt: string | null;
  by: string | null;
}

export interface Routes {
  routes: readonly Route[];
  removed: readonly Removed[];
}

/**
 * How a candidate fares since the server's start, in whichever route it was asked: `open` is left out for `retryIn` more
 * seconds, `half_open` is being tried again. Times in seconds, null where nothing is known.
 */
export interface CandidateState {
  provider: string;
  model: string;
  breaker: "closed" | "open" | "half_open";
  retryIn: number;
  firstContent: number | null;
  asked: number;
  failed: number;
  restingKeys: readonly { label: string; seconds: number }[];
}

/** How routes fare; what is pushed are those that changed. `at` is when this page learned of it, in milliseconds. */
export interface States {
  routes: readonly { name: string; candidates: readonly CandidateState[]; at?: number }[];
}

/** The states after news of some of them; `now` in milliseconds. */
export function patchStates(known: States | undefined, news: States, now: number): States {
  const fresh = new Map(news.routes.map((route) => [route.name, { ...route, at: now }]));
  const kept = (known?.routes ?? []).filter(({ name }) => !fresh.has(name));
  return { routes: [...kept, ...fresh.values()] };
}

export interface Attempt {
  provider: string;
  model: string;
  kind: string;
  outcome: string;
  error: string | null;
  message: string | null;
  ms: number | null;
  firstContentMs: number | null;
}

/** What came of trying a route. */
export interface Trial {
  ok: boolean;
  text: string;
  provider: string | null;
  model: string | null;
  ms: number | null;
  firstContentMs: number | null;
  usage: Json | null;
  attempts: readonly Attempt[];
  error: { code: string; message: string } | null;
}

export const SCOPES = ["all", "key", "user", "model", "provider"] as const;

export interface Limit {
  id: string;
  scope: (typeof SCOPES)[number];
  /** Which one; `*` is each of them, empty for all. */
  subject: string;
  description: string;
  enabled: boolean;
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
  concurrent: number | null;
  /** US dollars. */
  budgetDay: number | null;
  budgetMonth: number | null;
  unknownPrice: "allow" | "refuse";
  version: number;
  source: string;
  readOnly: boolean;
  problem: string | null;
  createdAt: string | null;
  updatedAt: string | null;
  by: string | null;
}

export interface Limits {
  limits: readonly Limit[];
  removed: readonly Limit[];
}

/** A route that is not saved yet. */
export const NEW_ROUTE: Route = {
  id: "",
  name: "",
  description: "",
  enabled: true,
  strategy: "ordered",
  candidates: [],
  parameters: { set: {}, default: {}, remove: [], clamp: {} },
  firstContentTimeout: null,
  totalTimeout: null,
  attempts: 4,
  spillQueue: 0,
  spillAfter: 5,
  cache: null,
  mirror: null,
  mirrorShare: 1,
  version: 0,
  source: "database",
  readOnly: false,
  problems: [],
  shadows: false,
  createdAt: null,
  updatedAt: null,
  by: null,
};
