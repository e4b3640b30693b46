import { expect, test } from "vitest";
import { type Candidate, type CandidateState, type Limit, NEW_ROUTE, patchStates, type Rules } from "../../api/routes";
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

const state = (part: Partial<CandidateState>): CandidateState => ({
  provider: "a",
  model: "x",
  breaker: "closed",
  retryIn: 0,
  firstContent: null,
  asked: 4,
  failed: 0,
  restingKeys: [],
  ...part,
});

test.each<[Partial<CandidateState> | undefined, string, string]>([
  [undefined, "none", ""],
  [{ asked: 0 }, "none", ""],
  [{ firstContent: 0.31 }, "ready", "first content after 0.31 s"],
  [{ firstContent: 0.042, failed: 1 }, "ready", "first content after 42 ms, 1 of 4 tries failed"],
  [{ asked: 1, failed: 1 }, "loading", "1 of 1 try failed"],
  [{ restingKeys: [{ label: "team", seconds: 9 }] }, "loading", "team rests"],
  [{ restingKeys: [{ label: "team", seconds: 2 }] }, "ready", ""],
  [{ breaker: "half_open" }, "loading", "is being tried again"],
  [{ breaker: "open", failed: 3, retryIn: 25 }, "failed", "rests for 20 s, 3 of 4 tries failed"],
  [{ breaker: "open", failed: 4, retryIn: 1 }, "failed", "rests, 4 of 4 tries failed"],
])("a candidate in the state %j, known for five seconds", (part, mark, words) => {
  expect(candidateWords(part && { ...state(part), age: 5 })).toEqual({ mark, words });
});

test("states are patched by route and found by route, provider and model", () => {
  const row = (name: string, failed: number) => ({ name, candidates: [state({ failed })] });
  const first = patchStates(undefined, { routes: [row("r", 1), row("s", 1)] }, 1_000);
  const states = patchStates(first, { routes: [row("r", 2)] }, 3_000);
  expect(stateFor(states, "r", candidate("a/x"), 4_000)).toMatchObject({ failed: 2, age: 1 });
  expect(stateFor(states, "s", candidate("a/x"), 4_000)).toMatchObject({ failed: 1, age: 3 });
  expect(stateFor(states, "r", candidate("a/y"), 4_000)).toBeUndefined();
  expect(stateFor(undefined, "r", candidate("a/x"), 4_000)).toBeUndefined();
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
