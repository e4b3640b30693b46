import { expect, test } from "vitest";
import { patchModels, patchStatus } from "../../api/models";
import type { Model } from "../../api/types";
import { ALL, choices, matching, sorted } from "./rows";

const MODELS: Model[] = [
  { name: "qwen-10", state: "stopped", sizeBytes: 5e9, architecture: "qwen3", quantization: "Q4_K_M", fit: "fits" },
  { name: "qwen-2", state: "ready", sizeBytes: 2e9, architecture: "qwen3", quantization: "Q8_0", fit: "tight" },
  { name: "Llama", state: "busy", sizeBytes: 40e9, architecture: "llama", quantization: "Q4_K_M", fit: "no" },
  { name: "broken", state: "stopped", problem: "cut short", sizeBytes: null },
];
const names = (models: readonly Model[]) => models.map((model) => model.name);

test.each([
  [{}, ["qwen-10", "qwen-2", "Llama", "broken"]],
  [{ text: "QWEN q8" }, ["qwen-2"]],
  [{ state: "running" }, ["qwen-2", "Llama"]],
  [{ state: "stopped" }, ["qwen-10"]],
  [{ state: "failed" }, ["broken"]],
  [{ quantization: "Q4_K_M", size: "more" }, ["Llama"]],
  [{ size: "4" }, ["qwen-2"]],
  [{ architecture: "qwen3", fit: "fits" }, ["qwen-10"]],
  [{ text: "nothing like it" }, []],
])("filters %j let through %j", (filters, found) =>
  expect(names(matching(MODELS, { ...ALL, ...filters }))).toEqual(found),
);

test.each([
  ["name", false, ["broken", "Llama", "qwen-2", "qwen-10"]],
  ["name", true, ["qwen-10", "qwen-2", "Llama", "broken"]],
  ["size", true, ["Llama", "qwen-10", "qwen-2", "broken"]],
  ["size", false, ["qwen-2", "qwen-10", "Llama", "broken"]],
  ["state", false, ["Llama", "qwen-2", "broken", "qwen-10"]],
  ["fit", true, ["Llama", "qwen-2", "qwen-10", "broken"]],
  ["quantization", false, ["Llama", "qwen-10", "qwen-2", "broken"]],
] as const)("sorted by %s, down %s", (by, down, order) => expect(names(sorted(MODELS, { by, down }))).toEqual(order));

test("filters offer each value once", () => {
  expect(choices(MODELS, "quantization")).toEqual(["Q4_K_M", "Q8_0"]);
  expect(choices(MODELS, "architecture")).toEqual(["llama", "qwen3"]);
});

test("news change, add and remove rows and leave the others as they are", () => {
  const news = {
    models: [
      { name: "qwen-2", state: "stopped" },
      { name: "new", state: "stopped" },
    ],
    removed: ["broken"],
  };
  const after = patchModels(MODELS, news);
  expect(names(after)).toEqual(["qwen-10", "qwen-2", "Llama", "new"]);
  expect(after[0]).toBe(MODELS[0]);
  expect(after[1]?.state).toBe("stopped");
});

test("the state of an engine changes one row", () => {
  const after = patchStatus(MODELS, { name: "qwen-10", state: "loading" });
  expect(after[0]).toMatchObject({ state: "loading", sizeBytes: 5e9, engine: { name: "qwen-10", state: "loading" } });
  expect(after[2]).toBe(MODELS[2]);
  expect(patchStatus(MODELS, { name: "unknown", state: "ready" })).toBe(MODELS);
});

test("thousands of rows are filtered and sorted within a frame or a few", () => {
  const many = Array.from({ length: 5_000 }, (_, at) => ({ ...MODELS[at % 3], name: `model-${at}` }) as Model);
  expect(sorted(matching(many, { ...ALL, text: "model 9" }), { by: "size", down: true }).length).toBeGreaterThan(100);
});
