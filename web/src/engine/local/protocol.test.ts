import { expect, it } from "vitest";
import { checkWork, PROMPT_LIMIT, readCommand, readReport } from "./protocol";
import { readWord } from "./tabs";

const ASK = [{ role: "user", content: "Hello" }];

it("takes a request for what it is and nothing else", () => {
  const work = checkWork({
    messages: [{ role: "user", content: "Hi", extra: 1 }],
    sampling: { topK: 5 },
    model: "x",
    schema: null,
  });
  expect(work).toEqual({ messages: [{ role: "user", content: "Hi" }], sampling: { topK: 5 } });
});

it.each([
  ["messages", { messages: [] }],
  ["messages.0.role", { messages: [{ role: "tool", content: "" }] }],
  ["messages.0.content", { messages: [{ role: "user", content: 3 }] }],
  ["messages", { messages: [{ role: "user", content: "x".repeat(PROMPT_LIMIT + 1) }] }],
  ["sampling.temperature", { messages: ASK, sampling: { temperature: 3 } }],
  ["sampling.temperature", { messages: ASK, sampling: { temperature: Number.NaN } }],
  ["sampling.topK", { messages: ASK, sampling: { topK: 1.5 } }],
  ["sampling.maxTokens", { messages: ASK, sampling: { maxTokens: 0 } }],
  ["sampling.temp", { messages: ASK, sampling: { temp: 1 } }],
  ["schema", { messages: ASK, schema: [] }],
  ["schema", { messages: ASK, schema: { description: "x".repeat(100_001) } }],
  ["request", "hello"],
])("refuses a request and names %s", (param, request) => {
  expect(() => checkWork(request)).toThrow(expect.objectContaining({ code: "device_request_invalid", param }));
});

it.each([
  ["no type", { id: "1" }],
  ["an unknown type", { id: "1", type: "EVAL" }],
  ["no id", { type: "ABORT" }],
  ["an endless id", { type: "ABORT", id: "x".repeat(101) }],
  ["a load without files", { type: "LOAD", id: "1", payload: { source: { kind: "gguf", files: [] }, plan: {} } }],
  [
    "a load of what is no file",
    { type: "LOAD", id: "1", payload: { source: { kind: "gguf", files: ["/etc"] }, plan: {} } },
  ],
  [
    "a load without threads",
    {
      type: "LOAD",
      id: "1",
      payload: { source: { kind: "gguf", files: [new Blob(["x"])] }, plan: { backend: "wasm" } },
    },
  ],
])("refuses a command with %s", (_name, message) => {
  expect(() => readCommand(message)).toThrow(expect.objectContaining({ code: "device_request_invalid" }));
});

it("reads what the worker says, and nothing that only looks like it", () => {
  expect(readReport({ type: "TOKEN", id: "1", payload: { text: "a", tokens: 1 } })).not.toBeNull();
  expect(readReport({ type: "ALIVE", id: "" })).not.toBeNull();
  for (const odd of [
    null,
    1,
    {},
    { type: "TOKEN", id: "1" },
    { type: "TOKEN", id: "1", payload: { text: 1 } },
    { type: "X", id: "1" },
  ]) {
    expect(readReport(odd)).toBeNull();
  }
});

it("reads what other tabs say, and nothing that only looks like it", () => {
  const common = { from: "a", to: "b", id: "1" };
  expect(readWord({ kind: "ask", from: "a" })).not.toBeNull();
  expect(readWord({ ...common, kind: "call", task: { verb: "load", model: "m" } })).not.toBeNull();
  for (const odd of [
    null,
    { kind: "ask" },
    { kind: "state", from: "a" },
    { kind: "state", from: "a", state: null },
    { ...common, kind: "call" },
    { ...common, kind: "call", task: { verb: "format" } },
    { ...common, kind: "text" },
    { kind: "done", from: "a" },
  ]) {
    expect(readWord(odd)).toBeNull();
  }
});
