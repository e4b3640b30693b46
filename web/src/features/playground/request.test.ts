// @vitest-environment jsdom
import { expect, test } from "vitest";
import { type DialectId, type Draft, emptyDraft, keepDraft, message, readDraft } from "./draft";
import { abridged, build } from "./request";

const PICTURE = "data:image/png;base64,iVBORw0KGgo=";
const TOOLS = JSON.stringify([{ name: "weather", parameters: { type: "object" } }]);
const SCHEMA = '{"type":"object"}';

function draft(dialect: DialectId, part: Partial<Draft> = {}): Draft {
  return { ...emptyDraft(), dialect, model: "m", messages: [message("user", { content: "hi" })], ...part };
}

function body(written: Draft): Record<string, unknown> {
  const built = build(written);
  expect(built.problems).toEqual({});
  return JSON.parse(built.body ?? "null");
}
const CONVERSATION = [
  message("user", { content: "look", images: [PICTURE] }),
  message("assistant", {
    content: "",
    calls: [
      { id: "a", name: "weather", arguments: '{"town":"Rome"}' },
      { id: "b", name: "weather", arguments: '{"town":"Oslo"}' },
    ],
  }),
  message("tool", { callId: "a", name: "weather", content: "warm" }),
  message("tool", { callId: "b", name: "weather", content: "cold" }),
];

test("a chat in OpenAI's form", () => {
  const made = body(
    draft("openai_chat", {
      system: "be brief",
      messages: CONVERSATION,
      tools: TOOLS,
      schema: SCHEMA,
      parameters: { maxTokens: "64", temperature: "0,5", stop: "a\n\nb", effort: "low" },
      extra: '{"n":2}',
    }),
  );
  expect(made).toEqual({
    model: "m",
    max_completion_tokens: 64,
    temperature: 0.5,
    stop: ["a", "b"],
    reasoning_effort: "low",
    messages: [
      { role: "system", content: "be brief" },
      {
        role: "user",
        content: [
          { type: "text", text: "look" },
          { type: "image_url", image_url: { url: PICTURE } },
        ],
      },
      {
        role: "assistant",
        content: null,
        tool_calls: [
          { id: "a", type: "function", function: { name: "weather", arguments: '{"town":"Rome"}' } },
          { id: "b", type: "function", function: { name: "weather", arguments: '{"town":"Oslo"}' } },
        ],
      },
      { role: "tool", tool_call_id: "a", content: "warm" },
      { role: "tool", tool_call_id: "b", content: "cold" },
    ],
    tools: [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }],
    response_format: { type: "json_schema", json_schema: { name: "answer", schema: { type: "object" }, strict: true } },
    stream: true,
    stream_options: { include_usage: true },
    n: 2,
  });
});

test("a response in OpenAI's form", () => {
  const made = body(
    draft("openai_responses", {
      system: "be brief",
      messages: CONVERSATION,
      tools: TOOLS,
      schema: SCHEMA,
      stream: false,
      parameters: { effort: "high" },
    }),
  );
  expect(made.instructions).toBe("be brief");
  expect(made.reasoning).toEqual({ effort: "high" });
  expect(made.input).toEqual([
    {
      role: "user",
      content: [
        { type: "input_text", text: "look" },
        { type: "input_image", image_url: PICTURE },
      ],
    },
    { type: "function_call", call_id: "a", name: "weather", arguments: '{"town":"Rome"}' },
    { type: "function_call", call_id: "b", name: "weather", arguments: '{"town":"Oslo"}' },
    { type: "function_call_output", call_id: "a", output: "warm" },
    { type: "function_call_output", call_id: "b", output: "cold" },
  ]);
  expect(made.tools).toEqual([{ type: "function", name: "weather", parameters: { type: "object" } }]);
  expect(made.text).toEqual({
    format: { type: "json_schema", name: "answer", schema: { type: "object" }, strict: true },
  });
  expect([made.stream, made.store]).toEqual([false, false]);
});

test("a message in Anthropic's form: the results of tools are one message of the user", () => {
  const made = body(
    draft("anthropic", { system: "be brief", messages: CONVERSATION, tools: TOOLS, parameters: { budget: "2048" } }),
  );
  expect(made.max_tokens).toBe(1024);
  expect(made.thinking).toEqual({ type: "enabled", budget_tokens: 2048 });
  expect(made.system).toBe("be brief");
  expect(made.messages).toEqual([
    {
      role: "user",
      content: [
        { type: "image", source: { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" } },
        { type: "text", text: "look" },
      ],
    },
    {
      role: "assistant",
      content: [
        { type: "tool_use", id: "a", name: "weather", input: { town: "Rome" } },
        { type: "tool_use", id: "b", name: "weather", input: { town: "Oslo" } },
      ],
    },
    {
      role: "user",
      content: [
        { type: "tool_result", tool_use_id: "a", content: "warm" },
        { type: "tool_result", tool_use_id: "b", content: "cold" },
      ],
    },
  ]);
  expect(made.tools).toEqual([{ name: "weather", input_schema: { type: "object" } }]);
  expect(build(draft("anthropic")).headers["anthropic-version"]).toBe("2023-06-01");
});

test("a chat in Ollama's form: arguments are objects, pictures have no address", () => {
  const made = body(
    draft("ollama_chat", {
      messages: CONVERSATION,
      schema: SCHEMA,
      parameters: { maxTokens: "9", temperature: "0", stop: "x", think: "false" },
    }),
  );
  expect(made.options).toEqual({ num_predict: 9, temperature: 0, stop: ["x"] });
  expect(made.think).toBe(false);
  expect(made.format).toEqual({ type: "object" });
  expect(made.messages).toEqual([
    { role: "user", content: "look", images: ["iVBORw0KGgo="] },
    {
      role: "assistant",
      content: "",
      tool_calls: [
        { function: { name: "weather", arguments: { town: "Rome" } } },
        { function: { name: "weather", arguments: { town: "Oslo" } } },
      ],
    },
    { role: "tool", tool_name: "weather", content: "warm" },
    { role: "tool", tool_name: "weather", content: "cold" },
  ]);
});

test.each([
  [{ model: " " }, "model", "Choose"],
  [{ parameters: { maxTokens: "1.5" } }, "maxTokens", "whole number"],
  [{ parameters: { temperature: "3" } }, "temperature", "0 to 2"],
  [{ parameters: { topP: "much" } }, "topP", "A number"],
  [{ tools: "[" }, "tools", "Not JSON"],
  [{ tools: "{}" }, "tools", "A list"],
  [{ tools: "[{}]" }, "tools", "Tool 1 has no name"],
  [{ schema: "[]" }, "schema", "is an object"],
  [{ extra: "1" }, "extra", "is an object"],
  [{ body: "{" }, "body", "Not JSON"],
])("what is wrong is said beside its field: %j", (part, field, words) => {
  const built = build(draft("openai_chat", part));
  expect(built.body).toBeNull();
  expect(Object.keys(built.problems)).toEqual([field]);
  expect(built.problems[field]).toContain(words);
});

test("a call whose arguments are cut is a fault where the form needs an object", () => {
  const messages = [message("assistant", { calls: [{ id: "a", name: "f", arguments: '{"x":' }] })];
  expect(build(draft("openai_chat", { messages })).problems).toEqual({});
  expect(build(draft("anthropic", { messages })).problems.messages).toContain("Not JSON");
});

test("a body that was changed by hand is sent as it is", () => {
  const text = '{ "model":  "x" }';
  expect(build(draft("openai_chat", { body: text })).body).toBe(text);
});

test("what is very long is told by its length", () => {
  const long = JSON.stringify({ a: "short", b: "x\\".repeat(3_000) }, null, 2);
  const shown = abridged(long);
  expect(shown).toContain('"a": "short"');
  expect(shown).toMatch(/\(\d+ characters\)"/);
  expect(shown.length).toBeLessThan(200);
});

test("what was written is kept without its pictures", () => {
  const written = draft("anthropic", { messages: CONVERSATION, system: "s" });
  keepDraft(localStorage, written);
  const known = readDraft(localStorage);
  expect(known).toEqual({ ...written, messages: written.messages.map((one) => ({ ...one, images: [] })) });
  localStorage.setItem("corral.playground", '{"dialect":"unknown"}');
  expect(readDraft(localStorage).dialect).toBe("openai_chat");
  localStorage.setItem("corral.playground", "{");
  expect(readDraft(localStorage).model).toBe("");
});
