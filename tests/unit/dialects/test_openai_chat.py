"""OpenAI's chat on the wire: requests field by field, streams as real servers send them, errors in all their forms."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from corral.dialects.form import (
    Answer,
    ChatEvent,
    ChatRequest,
    Document,
    Finished,
    Image,
    Message,
    Reasoning,
    ReasoningDelta,
    Started,
    Text,
    TextDelta,
    Thinking,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
    Usage,
    text_message,
)
from corral.dialects.gathering import gather
from corral.dialects.openai_chat import DIALECT, OPENAI, Flavour, OpenAIChat
from corral.dialects.ports import About
from corral.kit.errors import (
    ContentFiltered,
    ContextExceeded,
    CorralError,
    InvalidRequest,
    ProviderRefused,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
    UpstreamOverloaded,
)

HELLO = {"role": "user", "content": "Hello"}


def asked(**fields: Any) -> ChatRequest:
    return DIALECT.read_request(json.dumps({"model": "m", "messages": [HELLO], **fields}).encode())


def about(**fields: Any) -> About:
    request = ChatRequest(model="m", messages=(text_message("user", "Hello"),), stream=True, **fields)
    return About("chatcmpl-1", "m", 1700000000, request)


def written(request: ChatRequest, flavour: Flavour | None = None) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(OpenAIChat(flavour).write_request(request, "theirs").body)
    return body


def foreign(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(model="m", messages=messages or (text_message("user", "Hello"),), dialect="anthropic", **fields)


def stream(*events: Any) -> bytes:
    return b"".join(
        b"data: " + (event if isinstance(event, bytes) else json.dumps(event).encode()) + b"\n\n" for event in events
    )


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "m", "choices": [choice], **fields}


def told(data: bytes) -> list[dict[str, Any]]:
    """The JSON of each event of a stream."""
    events = [event.removeprefix("data: ") for event in data.decode().split("\n\n") if event]
    return [json.loads(event) for event in events if event != "[DONE]"]


# Requests


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": [HELLO, {"role": "wizard", "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [HELLO, {"role": "user", "content": [{"type": "video_url"}]}]}, "messages[1].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[...].text"),
        ({"messages": [{"role": "tool", "content": "42"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]}, "messages[0].tool_calls[0].function"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "messages[0].content[0].file"),
        ({"temperature": "hot"}, "temperature"),
        ({"n": 0}, "n"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tool_choice": "perhaps"}, "tool_choice"),
        ({"response_format": {}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        asked(**fields)
    assert caught.value.param is not None
    assert caught.value.param.replace("[...]", "[0]") == param.replace("[...]", "[0]")


def test_what_was_not_sent_is_not_sent_on_and_a_null_of_the_dialect_stays() -> None:
    body = written(asked(store=None, temperature=None))
    assert body == {"model": "theirs", "messages": [HELLO], "store": None}


def test_extras_go_to_the_same_dialect_alone_and_what_is_left_out_is_told() -> None:
    request = ChatRequest("m", (text_message("user", "Hi"),), dialect="anthropic", extras={"container": "x"})
    result = DIALECT.write_request(request, "theirs")
    assert b"container" not in result.body
    assert result.dropped == ("extras.container",)


def test_the_newer_limit_wins_and_endless_is_none() -> None:
    assert asked(max_tokens=5, max_completion_tokens=7).max_tokens == 7
    assert asked(max_tokens=-1).max_tokens is None


def test_a_last_message_of_the_assistant_is_to_be_gone_on_with_unless_it_calls() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert asked(messages=[HELLO, {"role": "assistant", "content": "Once"}]).continues
    assert not asked(messages=[HELLO, {"role": "assistant", "content": "Once", "tool_calls": [call]}]).continues
    assert not asked(messages=[HELLO, {"role": "assistant", "content": ""}]).continues


def test_openrouters_reasoning_is_understood_and_stays_as_it_was() -> None:
    request = asked(reasoning={"effort": "high", "max_tokens": 2000, "exclude": True})
    assert request.thinking == Thinking(None, "high", 2000)
    assert written(request)["reasoning"] == {"effort": "high", "max_tokens": 2000, "exclude": True}


def test_tools_of_other_kinds_stay_with_the_dialect() -> None:
    request = asked(tools=[{"type": "web_search"}, {"type": "function", "function": {"name": "f"}}])
    assert request.tools == (Tool("f"),)
    assert {"type": "web_search"} in written(request)["tools"]


@pytest.mark.parametrize(
    ("choice", "form"),
    [
        ("any", ToolChoice("required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("tool", "f")),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}, ToolChoice("required")),
    ],
)
def test_choices_of_tools(choice: Any, form: ToolChoice) -> None:
    assert asked(tool_choice=choice, tools=[{"type": "function", "function": {"name": "f"}}]).tool_choice == form


def test_images_of_a_tool_go_in_a_message_of_the_user_behind_all_results() -> None:
    image = Image("image/png", "AAAA")
    calls = Message("assistant", (ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}")))
    results = Message("tool", (ToolResult("a", (Text("see"), image)), ToolResult("b", (Text("42"),))))
    messages = written(foreign(text_message("user", "Look"), calls, results))["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool", "user"]
    assert messages[2] == {"role": "tool", "tool_call_id": "a", "content": "see"}
    assert messages[4]["content"][1] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def test_what_cannot_be_said_is_refused_not_left_out() -> None:
    with pytest.raises(InvalidRequest, match="by address"):
        written(foreign(Message("user", (Document(url="https://files.test/a.pdf"),))))
    with pytest.raises(InvalidRequest, match="keeps"):
        written(foreign(Message("user", (Image(id="file_1"),))))


def test_text_files_become_text() -> None:
    document = Document(name="notes.txt", text="milk")
    content = written(foreign(Message("user", (document, Text("Read it.")))))["messages"][0]["content"]
    assert content[0] == {"type": "text", "text": "notes.txt:\n\nmilk"}


def test_flavours_of_servers() -> None:
    thinking = Message("assistant", (Reasoning("hm", "signed"), Text("Yes.")))
    cached = Message("user", (Text("Long.", {"type": "ephemeral"}),))
    request = foreign(cached, thinking, text_message("user", "So?"), max_tokens=9, top_k=4, repeat_penalty=1.5)
    openai = json.loads(OPENAI.write_request(request, "gpt").body)
    assert openai["max_completion_tokens"] == 9
    assert not {"max_tokens", "top_k", "repeat_penalty"} & set(openai)
    assert set(OPENAI.write_request(request, "gpt").dropped) == {"top_k", "repeat_penalty", "reasoning", "cache"}
    flavour = Flavour(reasoning="reasoning", repeat_penalty="repetition_penalty", cache_marks=True)
    other = written(request, flavour)
    assert other["repetition_penalty"] == 1.5 and other["top_k"] == 4 and other["max_tokens"] == 9
    assert other["messages"][1] == {"role": "assistant", "content": "Yes.", "reasoning": "hm"}
    assert other["messages"][0]["content"] == [
        {"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}
    ]


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        (Thinking(effort="minimal"), "minimal"),
        (Thinking(enabled=False), "none"),
        (Thinking(enabled=True), None),
        (Thinking(enabled=True, budget=2048), "low"),
        (Thinking(enabled=True, budget=10_000), "medium"),
        (Thinking(enabled=True, budget=32_000), "high"),
    ],
)
def test_budgets_of_thinking_become_efforts(thinking: Thinking, effort: str | None) -> None:
    assert written(foreign(thinking=thinking)).get("reasoning_effort") == effort


def test_a_client_of_another_dialect_always_learns_the_usage() -> None:
    assert written(foreign(stream=True))["stream_options"] == {"include_usage": True}
    assert "stream_options" not in written(asked(stream=True))


# The form before tool calls


LEGACY = {
    "functions": [{"name": "weather", "parameters": {"type": "object"}}],
    "function_call": {"name": "weather"},
    "messages": [
        HELLO,
        {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": '{"c":"Oslo"}'}},
        {"role": "function", "name": "weather", "content": "cold"},
    ],
}


def test_functions_are_tools() -> None:
    request = asked(**LEGACY)
    assert request.tools == (Tool("weather", None, {"type": "object"}),)
    assert request.tool_choice == ToolChoice("tool", "weather")
    call, result = request.messages[1].parts[0], request.messages[2].parts[0]
    assert isinstance(call, ToolCall) and isinstance(result, ToolResult)
    assert call.id == result.call_id and result.parts == (Text("cold"),)


def test_functions_come_back_as_functions() -> None:
    request = asked(**LEGACY)
    body = written(request)
    assert {"functions": body["functions"], "function_call": body["function_call"]} == {
        "functions": LEGACY["functions"],
        "function_call": LEGACY["function_call"],
    }
    assert body["messages"] == LEGACY["messages"]
    assert "tools" not in body
    assert DIALECT.read_request(json.dumps(body).encode()) == ChatRequest(
        **{**{name: getattr(request, name) for name in request.__struct_fields__}, "model": "theirs"}
    )


def test_who_asks_with_functions_is_answered_with_a_function_call() -> None:
    facts = About("c1", "m", 5, asked(**LEGACY))
    events: list[ChatEvent] = [
        ToolCallDelta(0, "{", "call_1", "weather"),
        ToolCallDelta(0, "}"),
        Finished("tool_calls"),
    ]
    writer = DIALECT.writer(facts)
    chunks = told(b"".join(writer.write(event) for event in events))
    assert chunks[1]["choices"][0]["delta"] == {"function_call": {"name": "weather", "arguments": "{"}}
    assert chunks[-1]["choices"][0]["finish_reason"] == "function_call"
    whole = json.loads(DIALECT.write_answer(gather(events), facts))["choices"][0]
    assert whole["message"]["function_call"] == {"name": "weather", "arguments": "{}"}
    assert whole["finish_reason"] == "function_call"


# Streams of real servers


def read(data: bytes) -> list[ChatEvent]:
    reader = DIALECT.reader()
    return [*reader.feed(data), *reader.end()]


def test_a_stream_of_openai() -> None:
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "total_tokens": 13,
        "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    data = stream(
        chunk({"role": "assistant", "content": "", "refusal": None}, usage=None, obfuscation="x"),
        chunk({"content": "Hel"}, usage=None),
        chunk({"content": "lo"}, usage=None),
        chunk({}, "stop", usage=None),
        {"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "m", "choices": [], "usage": usage},
        b"[DONE]",
    )
    assert read(data) == [
        Started("c1", "m", 5),
        TextDelta("Hel"),
        TextDelta("lo"),
        Finished("stop"),
        Usage(9, 4, 3, 0, 2),
    ]


def test_tool_calls_in_pieces_and_side_by_side() -> None:
    data = stream(
        chunk({"role": "assistant", "content": None, "tool_calls": [_call(0, "a", "f", "")]}),
        chunk({"tool_calls": [_call(0, None, None, '{"x"'), _call(1, "b", "g", "{")]}),
        chunk({"tool_calls": [_call(1, None, None, "}"), _call(0, None, None, ":1}")]}),
        chunk({}, "tool_calls"),
        b"[DONE]",
    )
    assert gather(read(data)).choices[0].parts == (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "{}"))


def _call(index: int | None, identity: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
    call: dict[str, Any] = {"function": {"arguments": arguments}}
    if index is not None:
        call["index"] = index
    if identity is not None:
        call |= {"id": identity, "type": "function"}
    if name is not None:
        call["function"]["name"] = name
    return call


@pytest.mark.parametrize(
    "calls",
    [
        [_call(None, "a", "f", "{}"), _call(None, "b", "g", "{}")],
        [_call(0, "a", "f", "{}"), _call(0, "b", "g", "{}")],
        [_call(0, "a", "f", "{"), _call(0, "a", "f", "}"), _call(1, "b", "g", {})],
        [_call(0, "a", None, ""), _call(0, None, "f", "{}"), _call(1, "b", "g", "{}")],
    ],
    ids=["without index", "always index 0", "id and name each time", "name behind the id"],
)
def test_tool_calls_as_other_servers_tell_them(calls: list[dict[str, Any]]) -> None:
    data = stream(*(chunk({"tool_calls": [call]}) for call in calls), chunk({}, "stop"), b"[DONE]")
    answer = gather(read(data))
    assert answer.choices[0].parts == (ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}"))
    assert answer.choices[0].reason == "tool_calls"


def test_a_call_without_an_id_gets_one_and_without_a_name_is_nonsense() -> None:
    data = stream(chunk({"tool_calls": [_call(0, None, "f", "{}")]}), chunk({}, "tool_calls"), b"[DONE]")
    part = gather(read(data)).choices[0].parts[0]
    assert isinstance(part, ToolCall) and part.id
    with pytest.raises(UpstreamFailed, match="without a name"):
        read(stream(chunk({"tool_calls": [_call(0, "a", None, "{}")]}), chunk({}, "tool_calls"), b"[DONE]"))


@pytest.mark.parametrize(
    "deltas",
    [
        [{"reasoning_content": "Hm."}, {"content": "Yes."}],
        [{"reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]}, {"content": "Yes."}],
        [
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]},
            {"content": [{"type": "text", "text": "Yes."}]},
        ],
    ],
    ids=["DeepSeek and llama.cpp", "OpenRouter", "Mistral"],
)
def test_thinking_as_servers_tell_it(deltas: list[dict[str, Any]]) -> None:
    data = stream(*map(chunk, deltas), chunk({}, "stop"), b"[DONE]")
    assert gather(read(data)).choices[0].parts == (Reasoning("Hm."), Text("Yes."))


def test_signatures_of_thinking_and_of_calls_are_kept() -> None:
    signed = {"reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "signature": "s1"}]}
    call = {**_call(0, "a", "f", "{}"), "extra_content": {"google": {"thought_signature": "s2"}}}
    data = stream(chunk(signed), chunk({"tool_calls": [call]}), chunk({}, "stop"), b"[DONE]")
    assert gather(read(data)).choices[0].parts == (Reasoning("Hm.", "s1"), ToolCall("a", "f", "{}", "s2"))


def test_usage_that_counts_thinking_apart_or_caches_elsewhere() -> None:
    apart = {
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "total_tokens": 17,
        "completion_tokens_details": {"reasoning_tokens": 10},
    }
    deepseek = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "prompt_cache_hit_tokens": 4}
    assert read(stream(chunk({}, "stop", usage=apart), b"[DONE]"))[-1] == Usage(5, 12, 0, 0, 10)
    assert read(stream(chunk({}, "stop", usage=deepseek), b"[DONE]"))[-1] == Usage(5, 2, 4)


def test_an_azure_stream_begins_without_choices() -> None:
    first = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": []}
    assert read(stream(first, chunk({"content": "x"}), chunk({}, "stop"), b"[DONE]"))[0] == Started("c1", "m", 5)


def test_a_stop_sequence_that_vllm_names() -> None:
    last = chunk({}, "stop")
    last["choices"][0]["stop_reason"] = "###"
    assert read(stream(last, b"[DONE]"))[-1] == Finished("stop_sequence", 0, "###")


def test_without_done_the_finish_counts_and_what_follows_done_does_not() -> None:
    whole = [chunk({"content": "x"}), chunk({}, "stop")]
    reader = DIALECT.reader()
    assert reader.feed(stream(*whole))[-1] == Finished("stop")
    assert not reader.done
    assert reader.end() == []
    assert gather(read(stream(*whole, b"[DONE]", chunk({"content": "more"}), b"nonsense"))).choices[0].parts == (
        Text("x"),
    )


def test_done_without_a_finish_is_no_end() -> None:
    reader = DIALECT.reader()
    reader.feed(stream(chunk({"content": "x"}), b"[DONE]"))
    assert not reader.done
    with pytest.raises(UpstreamFailed, match="before it was finished"):
        reader.end()


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"error": {"message": "Rate limit", "code": 429}}, RateLimited),
        ({"error": {"message": "overloaded", "type": "overloaded_error"}}, UpstreamOverloaded),
        ({"error": "out of memory"}, UpstreamFailed),
        ({"object": "error", "message": "bad", "code": 400}, InvalidRequest),
        (
            {
                "error": {"message": "Boom", "code": 502},
                "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
            },
            UpstreamFailed,
        ),
        (chunk({}, "error"), UpstreamFailed),
        (b"{broken", UpstreamFailed),
        (b'"text"', UpstreamFailed),
        (b'{"choices": 7}', UpstreamFailed),
    ],
)
def test_a_failure_in_mid_stream_keeps_what_came_before(event: Any, kind: type[CorralError]) -> None:
    reader = DIALECT.reader()
    assert reader.feed(stream(chunk({"content": "x"}), event))[1:] == [TextDelta("x")]
    with pytest.raises(kind):
        reader.feed(b"")
    with pytest.raises(kind):
        reader.end()
    assert not reader.done


# Streams for clients


def test_every_chunk_is_as_the_sdk_wants_it_and_the_first_has_the_role() -> None:
    events: list[ChatEvent] = [
        Started("up", "their", 1),
        ReasoningDelta("Hm."),
        TextDelta("Hi", 0, ({"token": "Hi", "logprob": -0.5, "bytes": None, "top_logprobs": []},)),
        ToolCallDelta(0, "", "a", "f"),
        ToolCallDelta(0, "{}"),
        ToolCallDelta(1, "{}", "b", "g"),
        Finished("tool_calls"),
        Usage(3, 4),
    ]
    writer = DIALECT.writer(about(include_usage=True))
    assert writer.write(events[0]) == b""
    data = b"".join([*(writer.write(event) for event in events[1:]), writer.end()])
    assert data.endswith(b"data: [DONE]\n\n")
    chunks = told(data)
    for one in chunks:
        ChatCompletionChunk.model_validate(one, strict=True)
        assert (one["id"], one["model"], one["created"]) == ("chatcmpl-1", "m", 1700000000)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    calls = [
        one["choices"][0]["delta"]["tool_calls"][0]
        for one in chunks
        if one["choices"] and "tool_calls" in one["choices"][0]["delta"]
    ]
    assert [call["index"] for call in calls] == [0, 0, 1]
    assert [call.get("id") for call in calls] == ["a", None, "b"]
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] == 7
    assert all(one["usage"] is None for one in chunks[:-1])


def test_usage_is_told_only_when_asked_for() -> None:
    writer = DIALECT.writer(about())
    data = b"".join(
        [writer.write(TextDelta("x")), writer.write(Finished("stop")), writer.write(Usage(3, 4)), writer.end()]
    )
    assert b"usage" not in data and all(one["choices"] for one in told(data))


def test_each_choice_begins_with_its_role() -> None:
    writer = DIALECT.writer(about())
    chunks = told(b"".join(writer.write(TextDelta("x", choice)) for choice in (1, 0, 1)))
    assert [(one["choices"][0]["index"], "role" in one["choices"][0]["delta"]) for one in chunks] == [
        (1, True),
        (1, False),
        (0, True),
        (0, False),
        (1, False),
    ]


def test_a_stream_that_is_taken_over_does_not_begin_again() -> None:
    sent = stream(chunk({"role": "assistant", "content": ""}), chunk({"tool_calls": [_call(0, "a", "f", '{"x"')]}))
    writer = DIALECT.writer(about())
    writer.resume(sent)
    rest = told(writer.write(ToolCallDelta(0, ":1}")) + writer.write(Finished("tool_calls")))
    assert [one["choices"][0]["delta"] for one in rest] == [
        {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
        {},
    ]


def test_a_failure_ends_the_stream_without_a_clean_end() -> None:
    data = DIALECT.writer(about()).fail(UpstreamFailed("It broke."))
    assert b"[DONE]" not in data
    assert told(data)[0]["error"]["message"] == "It broke."


def test_a_whole_answer_is_as_the_sdk_wants_it() -> None:
    answer = gather([ReasoningDelta("Hm."), ToolCallDelta(0, "{}", "a", "f"), Finished("tool_calls"), Usage(3, 4)])
    body = json.loads(DIALECT.write_answer(answer, about()))
    ChatCompletion.model_validate(body, strict=True)
    message = body["choices"][0]["message"]
    assert message["content"] is None and message["reasoning_content"] == "Hm."
    empty = json.loads(DIALECT.write_answer(gather([Finished("stop")]), about()))
    assert empty["choices"][0]["message"]["content"] == ""


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[{}]}', b"\xff\xfe", b"<html>"]
)
def test_an_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        DIALECT.read_answer(body)


def test_an_error_in_a_good_answer() -> None:
    with pytest.raises(QuotaExhausted):
        DIALECT.read_answer(b'{"error":{"message":"spent","code":"insufficient_quota"}}')


def test_an_empty_answer_keeps_its_facts() -> None:
    found = DIALECT.read_answer(
        b'{"id":"c","created":5,"model":"m","choices":[{"message":{"content":null},"finish_reason":"length"}]}'
    )
    assert (found.id, found.created, found.choices[0].reason, found.choices[0].parts) == ("c", 5, "length", ())
    assert isinstance(found, Answer)


# Errors


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens. Please reduce the length.",
        "This model's maximum context length is 8192 tokens. However, you requested 9101 tokens (9001 in the messages, 100 in the completion).",
        "This endpoint's maximum context length is 8192 tokens. However, you requested about 9001 tokens (9000 of text input).",
    ],
)
def test_a_prompt_that_is_too_long_has_both_numbers(message: str) -> None:
    body = json.dumps(
        {"error": {"message": message, "type": "invalid_request_error", "code": "context_length_exceeded"}}
    )
    found = DIALECT.read_error(400, {}, body.encode())
    assert isinstance(found, ContextExceeded)
    assert found.details == {"n_prompt_tokens": 9001, "n_ctx": 8192}
    bare = DIALECT.read_error(400, {}, json.dumps({"object": "error", "message": message, "code": 400}).encode())
    assert isinstance(bare, ContextExceeded)


def test_llamacpps_words_for_it() -> None:
    body = b'{"error":{"code":400,"message":"too long","type":"exceed_context_size_error","n_prompt_tokens":9001,"n_ctx":8192}}'
    found = DIALECT.read_error(400, {}, body)
    assert isinstance(found, ContextExceeded) and "9001" in found.message and "8192" in found.message


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (
            429,
            {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"},
            QuotaExhausted,
        ),
        (402, {"message": "Insufficient credits"}, QuotaExhausted),
        (429, {"message": "Slow down", "code": "rate_limit_exceeded"}, RateLimited),
        (400, {"message": "filtered", "code": "content_filter"}, ContentFiltered),
        (401, {"message": "Incorrect API key provided: sk-abc***xyz"}, ProviderRefused),
        (403, {"message": "no"}, ProviderRefused),
        (422, {"message": [{"loc": ["body"], "msg": "bad"}]}, InvalidRequest),
        (503, {"message": "loading"}, UpstreamOverloaded),
        (500, {"message": "boom"}, UpstreamFailed),
    ],
)
def test_kinds_of_errors(status: int, error: dict[str, Any], kind: type[CorralError]) -> None:
    found = DIALECT.read_error(status, {}, json.dumps({"error": error}).encode())
    assert isinstance(found, kind)
    assert "sk-abc" not in found.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Fri, 20 Nov 2026 10:00:30 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 30),
        ({"retry-after": "Fri, 20 Nov 2026 10:00:30 GMT"}, None),
        ({"x-ratelimit-reset-requests": "1m2.5s"}, 62.5),
        ({"x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "1e300"}, 86400),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-5"}, 0),
        ({}, None),
    ],
)
def test_how_long_a_provider_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    found = DIALECT.read_error(429, headers, b"{}")
    assert isinstance(found, RateLimited) and found.retry_after == seconds


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad gateway</html>",
        b'"no"',
        b'{"detail":"no"}',
        b'[{"error":{"message":"no"}}]',
        b'{"error":{"message":null}}',
    ],
)
def test_errors_in_other_forms(body: bytes) -> None:
    found = DIALECT.read_error(502, {}, body)
    assert isinstance(found, UpstreamFailed) and found.message
