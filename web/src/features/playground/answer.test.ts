import { expect, test } from "vitest";
import { Reader } from "./answer";
import type { DialectId } from "./draft";

function stream(dialect: DialectId, events: readonly (object | string)[]) {
  const reader = new Reader(dialect);
  const content = events.map((event) =>
    reader.take({ kind: "event", name: null, data: typeof event === "string" ? event : JSON.stringify(event) }),
  );
  return { answer: reader.answer, content };
}

function whole(dialect: DialectId, body: object) {
  const reader = new Reader(dialect);
  reader.whole(JSON.stringify(body));
  return reader.answer;
}
const CALL = { id: "c1", name: "weather", arguments: '{"town":"Rome"}' };
const FUNCTION = { name: "weather", arguments: '{"town":"Rome"}' };

test("chunks of a chat", () => {
  const delta = (part: object, finish: string | null = null) => ({
    choices: [{ index: 0, delta: part, finish_reason: finish }],
  });
  const { answer, content } = stream("openai_chat", [
    delta({ role: "assistant", content: "" }),
    delta({ reasoning_content: "hm" }),
    delta({ content: "Hel" }),
    { choices: [{ index: 1, delta: { content: "other" } }] },
    delta({ content: "lo" }),
    delta({ tool_calls: [{ index: 0, id: "c1", type: "function", function: { name: "weather", arguments: "" } }] }),
    delta({ tool_calls: [{ index: 0, function: { arguments: '{"town":' } }] }),
    delta({ tool_calls: [{ index: 0, function: { arguments: '"Rome"}' } }] }),
    delta({}, "tool_calls"),
    {
      choices: [],
      usage: { prompt_tokens: 9, completion_tokens: 4, prompt_tokens_details: { cached_tokens: 3 } },
    },
    "[DONE]",
  ]);
  expect(answer).toEqual({
    text: "Hello",
    reasoning: "hm",
    refusal: "",
    calls: [CALL],
    promptTokens: 9,
    completionTokens: 4,
    cachedTokens: 3,
    reason: "tool_calls",
    error: null,
    ended: true,
  });
  expect(content).toEqual([false, true, true, false, true, true, true, true, false, false, false]);
});

test("a whole chat", () => {
  const message = { content: "Hello", tool_calls: [{ id: "c1", type: "function", function: FUNCTION }] };
  const answer = whole("openai_chat", {
    choices: [{ message, finish_reason: "stop" }],
    usage: { prompt_tokens: 1, completion_tokens: 2 },
  });
  expect(answer).toMatchObject({ text: "Hello", calls: [CALL], completionTokens: 2, reason: "stop", ended: true });
});

test("events of a response", () => {
  const { answer } = stream("openai_responses", [
    { type: "response.created", response: {} },
    { type: "response.reasoning_summary_text.delta", delta: "hm" },
    { type: "response.output_text.delta", item_id: "m", delta: "Hi" },
    {
      type: "response.output_item.added",
      output_index: 1,
      item: { type: "function_call", id: "f", call_id: "c1", name: "weather", arguments: "" },
    },
    { type: "response.function_call_arguments.delta", item_id: "f", delta: '{"town":"Rome"}' },
    {
      type: "response.incomplete",
      response: {
        status: "incomplete",
        incomplete_details: { reason: "max_output_tokens" },
        usage: { input_tokens: 5, output_tokens: 6, input_tokens_details: { cached_tokens: 0 } },
      },
    },
  ]);
  expect(answer).toMatchObject({ text: "Hi", reasoning: "hm", calls: [CALL], reason: "max_output_tokens" });
  expect([answer.promptTokens, answer.completionTokens, answer.ended]).toEqual([5, 6, true]);
});

test("a whole response", () => {
  const output = [
    { type: "reasoning", summary: [{ type: "summary_text", text: "hm" }] },
    { type: "message", content: [{ type: "output_text", text: "Hi" }] },
    { type: "function_call", call_id: "c1", ...FUNCTION },
  ];
  const answer = whole("openai_responses", { status: "completed", output, usage: { input_tokens: 5 } });
  expect(answer).toMatchObject({ text: "Hi", reasoning: "hm", calls: [CALL], promptTokens: 5, reason: "completed" });
});

test("events of a message; cached tokens count as read", () => {
  const { answer } = stream("anthropic", [
    { type: "message_start", message: { usage: { input_tokens: 5, cache_read_input_tokens: 7, output_tokens: 1 } } },
    { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "hm" } },
    { type: "content_block_start", index: 1, content_block: { type: "text", text: "" } },
    { type: "ping" },
    { type: "content_block_delta", index: 1, delta: { type: "text_delta", text: "Hi" } },
    {
      type: "content_block_start",
      index: 2,
      content_block: { type: "tool_use", id: "c1", name: "weather", input: {} },
    },
    { type: "content_block_delta", index: 2, delta: { type: "input_json_delta", partial_json: '{"town":"Rome"}' } },
    { type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: 8 } },
    { type: "message_stop" },
  ]);
  expect(answer).toMatchObject({ text: "Hi", reasoning: "hm", calls: [CALL], reason: "tool_use", ended: true });
  expect([answer.promptTokens, answer.cachedTokens, answer.completionTokens]).toEqual([12, 7, 8]);
});

test("a whole message", () => {
  const content = [
    { type: "text", text: "Hi" },
    { type: "tool_use", id: "c1", name: "weather", input: { town: "Rome" } },
  ];
  const answer = whole("anthropic", { content, stop_reason: "end_turn", usage: { input_tokens: 1, output_tokens: 2 } });
  expect(answer).toMatchObject({ text: "Hi", calls: [CALL], reason: "end_turn", completionTokens: 2 });
});

test("lines of a chat in Ollama's form", () => {
  const { answer } = stream("ollama_chat", [
    { message: { content: "", thinking: "hm" }, done: false },
    { message: { content: "Hi" }, done: false },
    { message: { tool_calls: [{ function: { name: "weather", arguments: { town: "Rome" } } }] }, done: false },
    { message: { content: "" }, done: true, done_reason: "stop", prompt_eval_count: 3, eval_count: 4 },
  ]);
  expect(answer).toMatchObject({ text: "Hi", reasoning: "hm", reason: "stop", ended: true, promptTokens: 3 });
  expect(answer.calls[0]).toMatchObject({ name: "weather", arguments: '{"town":"Rome"}' });
});

test.each<[DialectId, object]>([
  ["openai_chat", { error: { message: "gone", code: "upstream_failed" } }],
  ["openai_responses", { type: "response.failed", response: { error: { message: "gone" } } }],
  ["openai_responses", { type: "error", message: "gone" }],
  ["anthropic", { type: "error", error: { type: "api_error", message: "gone" } }],
  ["ollama_chat", { error: "gone" }],
])("an error in the stream of %s is told", (dialect, event) => {
  expect(stream(dialect, [event]).answer.error).toBe("gone");
});

test.each<[DialectId, object]>([
  ["openai_chat", { error: { message: "no" } }],
  ["anthropic", { type: "error", error: { message: "no" } }],
  ["ollama_chat", { error: "no" }],
])("an error in place of an answer of %s is told", (dialect, body) => expect(whole(dialect, body).error).toBe("no"));

test("nonsense is passed over in a stream and told of a whole answer", () => {
  expect(stream("openai_chat", ["<html>"]).answer.text).toBe("");
  const reader = new Reader("openai_chat");
  reader.whole("<html>");
  expect(reader.answer.error).toContain("not JSON");
});
