import type { Candidate, CandidateState, Limit, Route, States, Strategy } from "../../api/routes";
import { dollars, duration, whole } from "../../ui/format";

/** The ways to choose who is asked first. */
export const STRATEGY_WORDS: Readonly<Record<Strategy, { label: string; help: string }>> = {
  ordered: { label: "In order", help: "The first that can answer; the others when it fails." },
  weighted: { label: "By share", help: "Drawn by lot, each as often as its share says." },
  latency: { label: "Quickest", help: "Who began to answer soonest lately." },
  cost: { label: "Cheapest", help: "The lowest price; unknown prices last." },
  local_first: { label: "Own engines first", help: "This machine, unless too many wait there; then in order." },
};

export const nameOf = ({ provider, model }: Pick<Candidate, "provider" | "model">) => `${provider}/${model}`;

/** A candidate from `provider/model`, null when it has not this form. */
export function candidateFrom(text: string): Candidate | null {
  const slash = text.indexOf("/");
  const [provider, model] = [text.slice(0, slash).trim(), text.slice(slash + 1).trim()];
  if (slash < 0 || provider === "" || model === "") return null;
  return { provider, model, weight: 1, parameters: {}, prefill: null, price: null };
}

/** How a candidate fares, and since how many seconds that is known. */
export interface Seen extends CandidateState {
  age: number;
}

/** How a candidate of a route fares, if that is known. `now` in milliseconds. */
export function stateFor(states: States | undefined, route: string, one: Candidate, now: number): Seen | undefined {
  const row = states?.routes.find(({ name }) => name === route);
  const found = row?.candidates.find(({ provider, model }) => provider === one.provider && model === one.model);
  return found && { ...found, age: row?.at === undefined ? 0 : Math.max(0, (now - row.at) / 1_000) };
}

/** The state of a candidate as a mark and words. */
export function candidateWords(state: Seen | undefined): { mark: string; words: string } {
  if (!state || state.asked === 0) return { mark: "none", words: "" };
  const failed =
    state.failed > 0
      ? `${whole(state.failed)} of ${whole(state.asked)} ${state.asked === 1 ? "try" : "tries"} failed`
      : null;
  if (state.breaker === "open") {
    const left = state.retryIn - state.age;
    return {
      mark: "failed",
      words: [`rests${left > 0 ? ` for ${duration(left)}` : ""}`, failed].filter(Boolean).join(", "),
    };
  }
  if (state.breaker === "half_open") return { mark: "loading", words: "is being tried again" };
  const keys = state.restingKeys.filter(({ seconds }) => seconds > state.age).map(({ label }) => label);
  const first = state.firstContent === null ? null : `first content after ${seconds(state.firstContent)}`;
  const rest = keys.length > 0 ? `${keys.join(", ")} ${keys.length === 1 ? "rests" : "rest"}` : null;
  const good = !rest && state.failed < state.asked;
  return { mark: good ? "ready" : "loading", words: [first, failed, rest].filter(Boolean).join(", ") };
}

/** Seconds as a short text: 45 ms, 0.31 s, 4.1 s. */
function seconds(value: number): string {
  if (value < 0.1) return `${Math.round(value * 1_000)} ms`;
  return `${value.toFixed(value < 1 ? 2 : 1)} s`;
}

/** How a route works, in a few words. */
export function routeFacts(route: Route): string {
  const rules = route.parameters;
  const count =
    Object.keys(rules.set).length +
    Object.keys(rules.default).length +
    Object.keys(rules.clamp).length +
    rules.remove.length;
  return [
    route.candidates.length > 1 ? STRATEGY_WORDS[route.strategy].label.toLowerCase() : null,
    count > 0 ? `${count} ${count === 1 ? "rule" : "rules"}` : null,
    route.cache ? `answers kept ${duration(route.cache.ttl)}` : null,
    route.mirror ? `mirrored to ${nameOf(route.mirror)}` : null,
  ]
    .filter(Boolean)
    .join(" · ");
}

const SCOPE_WORDS = { all: "All requests", key: "key", user: "user", model: "model", provider: "provider" } as const;

/** Whom a limit is about: "All requests", "Every key", "Model demo". */
export function limitTitle({ scope, subject }: Pick<Limit, "scope" | "subject">): string {
  if (scope === "all") return SCOPE_WORDS.all;
  const word = SCOPE_WORDS[scope];
  return subject === "*" ? `Every ${word}` : `${word.charAt(0).toUpperCase()}${word.slice(1)} ${subject}`;
}

/** How much a limit allows, in words. */
export function limitWords(limit: Limit): string {
  const { requestsPerMinute, tokensPerMinute, concurrent, budgetDay, budgetMonth } = limit;
  const money = (value: number) => (value === 0 ? "$0" : dollars(value));
  return [
    requestsPerMinute === null ? null : `${whole(requestsPerMinute)} requests a minute`,
    tokensPerMinute === null ? null : `${whole(tokensPerMinute)} tokens a minute`,
    concurrent === null ? null : `${whole(concurrent)} at once`,
    budgetDay === null ? null : `${money(budgetDay)} a day`,
    budgetMonth === null ? null : `${money(budgetMonth)} a month`,
    limit.unknownPrice === "refuse" && (budgetDay !== null || budgetMonth !== null)
      ? "only models with known prices"
      : null,
  ]
    .filter(Boolean)
    .join(" · ");
}
