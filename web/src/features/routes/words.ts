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

/** How a candidate fares in a route, if that is known. */
export function stateFor(states: States | undefined, route: string, one: Candidate): CandidateState | undefined {
  const found = states?.routes.find(({ name }) => name === route);
  return found?.candidates.find(({ provider, model }) => provider === one.provider && model === one.model);
}

/** The state of a candidate as a mark and words. `now` in milliseconds. */
export function candidateWords(state: CandidateState | undefined, now: number): { mark: string; words: string } {
  if (!state) return { mark: "none", words: "" };
  const first = state.firstContentMs === null ? "" : `first content after ${whole(state.firstContentMs)} ms`;
  if (state.state === "closed") {
    const failed =
      state.failures > 0 ? `${state.failures} ${state.failures === 1 ? "failure" : "failures"} lately` : "";
    const said = [first, failed].filter(Boolean).join(", ");
    return { mark: said === "" ? "none" : failed ? "loading" : "ready", words: said };
  }
  if (state.state === "half_open") return { mark: "loading", words: "is being tried again" };
  const left = state.until ? (new Date(state.until).getTime() - now) / 1_000 : 0;
  const rests = left > 0 ? `rests for ${duration(left)}` : "rests";
  return {
    mark: "failed",
    words: `${rests} after ${state.failures === 1 ? "a failure" : `${state.failures} failures`}`,
  };
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
