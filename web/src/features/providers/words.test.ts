import { expect, test } from "vitest";
import { type Kind, type Provider, patched } from "../../api/providers";
import { withModel } from "./ProviderModels";
import { abilityWords, facts, freeName, headerLines, headersFrom, priceWords, stateOf } from "./words";

const PROVIDER = {
  name: "one",
  enabled: true,
  problem: null,
  address: "https://api.example.com/v1",
  keys: [{}],
  models: [{}, {}],
  routes: [],
  health: { state: "unknown" },
} as unknown as Provider;
const kind = (part: Partial<Kind>): Kind => ({ kind: "compatible", vendor: null, ...part }) as Kind;

test("a provider at a glance", () => {
  expect(facts(PROVIDER)).toBe("api.example.com/v1 · 1 key · 2 models");
  expect(stateOf(PROVIDER).word).toBe("Not tested");
  expect(stateOf({ ...PROVIDER, health: { ...PROVIDER.health, state: "ok" } })).toEqual({
    mark: "ready",
    word: "Works",
  });
  expect(stateOf({ ...PROVIDER, problem: "needs a key" }).word).toBe("Cannot be used");
  expect(stateOf({ ...PROVIDER, problem: "needs a key", enabled: false }).word).toBe("Off");
});

test("a name for a new provider is free and takes no other's", () => {
  expect(freeName(kind({ vendor: "LM Studio" }), [])).toBe("lm-studio");
  expect(freeName(kind({ kind: "openai" }), ["openai", "openai-2"])).toBe("openai-3");
  expect(freeName(kind({ kind: "local" }), [])).toBe("local-2");
});

test("prices and abilities in words", () => {
  const prices = { input: 0.15, output: null, cachedInput: null, cacheWrite: null };
  expect(priceWords(prices)).toBe("$0.15 in, ? out");
  expect(priceWords({ ...prices, input: null })).toBe("");
  expect(priceWords(null)).toBe("");
  expect(abilityWords({ tools: true, images: false, jsonSchema: true } as never)).toBe("tools, json schema");
});

test("headers are lines", () => {
  const headers = { "X-Title": "Corral", "X-Empty": "", "X-Url": "http://a:1/b" };
  expect(headersFrom(headerLines(headers))).toEqual(headers);
  expect(headersFrom(" \n")).toEqual({});
  expect(headersFrom("nothing")).toBeNull();
  expect(headersFrom(": value")).toBeNull();
});

test("a model that was only listed is written down when it is corrected", () => {
  const written = { name: "a", title: null, contextLength: null, maxOutput: null, prices: null, abilities: null };
  const listed = { ...written, name: "b", contextLength: 5, source: "discovered" as const, suggested: null };
  expect(withModel([{ ...written, source: "set" }], listed)).toEqual([
    written,
    { ...written, name: "b", contextLength: 5 },
  ]);
  expect(withModel([written], { ...written, contextLength: 9 })).toEqual([{ ...written, contextLength: 9 }]);
});

test("rows are patched by name and stay in order", () => {
  const row = (name: string, at = 0) => ({ name, at });
  expect(patched([row("a"), row("c")], [row("c", 1), row("b", 1)], ["a"])).toEqual([row("b", 1), row("c", 1)]);
  expect(patched([row("a")], undefined, undefined)).toEqual([row("a")]);
});
