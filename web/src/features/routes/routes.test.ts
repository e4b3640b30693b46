import { expect, test } from "vitest";
import { type Candidate, type CandidateState, type Limit, NEW_ROUTE, type Rules } from "../../api/routes";
import { keysOf, moved, placeAt } from "./order";
import { faultOf, type RuleRow, rowsOf, rulesOf } from "./rules";
import { candidateFrom, candidateWords, limitTitle, limitWords, routeFacts, stateFor } from "./words";

test.each([
  [0, 2, "bca"],
  [2, 0, "cab"],
  [1, 1, "abc"],
  [0, -3, "abc"],
  [0, 9, "bca"],
  [7, 0, "abc"],
])("the entry %d moved to %d", (from, to, text) => expect(moved([..."abc"], from, to).join("")).toBe(text));

test.each([
  [1, 10, 0],
  [1, 55, 1],
  [1, 90, 2],
  [0, 95, 2],
  [2, 0, 0],
])("a row held from %d at %d belongs at %d", (from, y, place) => {
  expect(placeAt([20, 50, 80], from, y)).toBe(place);
});

const candidate = (text: string): Candidate => {
  const found = candidateFrom(text);
  if (!found) throw new Error(text);
  return found;
};

test("a candidate is written provider/model; models may have slashes of their own", () => {
  expect(candidate("openrouter/meta/llama")).toMatchObject({ provider: "openrouter", model: "meta/llama", weight: 1 });
  for (const text of ["", "model", "/model", "provider/", " / "]) expect(candidateFrom(text)).toBeNull();
  expect(keysOf(["a/x", "b/x", "a/x"].map(candidate))).toEqual(["a/x#0", "b/x#0", "a/x#1"]);
});

const RULES: Rules = {
  set: { seed: 7, user: "me", note: "7", stop: ["a"] },
  default: { temperature: 0.2, thinking: { effort: "low" } },
  remove: ["logprobs"],
  clamp: { max_tokens: [null, 4096], top_p: [0.1, 0.9] },
};

test("rules become rows and rows rules", () => {
  const rows = rowsOf(RULES);
  expect(rulesOf(rows)).toEqual(RULES);
  expect(rows.find(({ name }) => name === "user")?.value).toBe("me");
  expect(rows.find(({ name }) => name === "note")?.value).toBe('"7"');
});

const rule = (part: Partial<RuleRow>): RuleRow => ({
  name: "seed",
  rule: "set",
  value: "1",
  low: "",
  high: "",
  ...part,
});

test.each<[Partial<RuleRow>, string | null]>([
  [{}, null],
  [{ name: " " }, "Which parameter?"],
  [{ value: "" }, "Which value?"],
  [{ value: "{" }, "Not JSON."],
  [{ rule: "remove", value: "" }, null],
  [{ rule: "clamp" }, "Which bounds?"],
  [{ rule: "clamp", low: "x" }, "Not a number."],
  [{ rule: "clamp", low: "2", high: "1" }, "The lower bound is above the upper one."],
  [{ rule: "clamp", low: "-1", high: "1,5" }, null],
])("a rule %j is at fault: %s", (part, fault) => {
  const one = rule(part);
  expect(faultOf(one, [one])).toBe(fault);
  expect(rulesOf([one]) === null).toBe(fault !== null);
});

test("the same rule twice for a parameter is a fault, another rule is not", () => {
  expect(rulesOf([rule({}), rule({ value: "2" })])).toBeNull();
  expect(rulesOf([rule({}), rule({ rule: "default", value: "2" })])).toEqual({
    set: { seed: 1 },
    default: { seed: 2 },
    remove: [],
    clamp: {},
  });
});

const NOW = Date.parse("2026-01-02T12:00:00Z");
const state = (part: Partial<CandidateState>): CandidateState => ({
  provider: "a",
  model: "x",
  state: "closed",
  until: null,
  firstContentMs: null,
  failures: 0,
  ...part,
});

test.each<[CandidateState | undefined, string, string]>([
  [undefined, "none", ""],
  [state({}), "none", ""],
  [state({ firstContentMs: 310.4 }), "ready", "first content after 310 ms"],
  [state({ failures: 1, firstContentMs: 5 }), "loading", "first content after 5 ms, 1 failure lately"],
  [state({ state: "half_open" }), "loading", "is being tried again"],
  [state({ state: "open", failures: 3, until: "2026-01-02T12:00:20Z" }), "failed", "rests for 20 s after 3 failures"],
  [state({ state: "open", failures: 1, until: "2026-01-02T11:00:00Z" }), "failed", "rests after a failure"],
])("a candidate in the state %j", (found, mark, words) => {
  expect(candidateWords(found, NOW)).toEqual({ mark, words });
});

test("the state of a candidate is found by route, provider and model", () => {
  const states = { routes: [{ name: "r", candidates: [state({ failures: 2 })] }], providers: [] };
  expect(stateFor(states, "r", candidate("a/x"))?.failures).toBe(2);
  expect(stateFor(states, "r", candidate("a/y"))).toBeUndefined();
  expect(stateFor(undefined, "r", candidate("a/x"))).toBeUndefined();
});

test("a route in a few words", () => {
  expect(routeFacts({ ...NEW_ROUTE, candidates: [candidate("a/x")] })).toBe("");
  const route = { ...NEW_ROUTE, candidates: [candidate("a/x"), candidate("b/y")], parameters: RULES };
  expect(routeFacts({ ...route, cache: { ttl: 3600, always: false }, mirror: candidate("c/z") })).toBe(
    "in order · 9 rules · answers kept 1 h · mirrored to c/z",
  );
});

const LIMIT = {
  scope: "all",
  subject: "",
  requestsPerMinute: null,
  tokensPerMinute: null,
  concurrent: null,
  budgetDay: null,
  budgetMonth: null,
  unknownPrice: "allow",
} as unknown as Limit;

test("a limit in words", () => {
  expect(limitTitle(LIMIT)).toBe("All requests");
  expect(limitTitle({ scope: "key", subject: "*" })).toBe("Every key");
  expect(limitTitle({ scope: "model", subject: "demo" })).toBe("Model demo");
  expect(limitWords(LIMIT)).toBe("");
  expect(limitWords({ ...LIMIT, requestsPerMinute: 60, concurrent: 2, budgetDay: 0, unknownPrice: "refuse" })).toBe(
    "60 requests a minute · 2 at once · $0 a day · only models with known prices",
  );
});
