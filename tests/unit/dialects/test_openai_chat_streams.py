"""Streams and answers of OpenAI's chat as real servers send them and as clients want them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from corral.dialects.form import (
    Answer,
    ChatEvent,
    Finished,
    Reasoning,
    ReasoningDelta,
    Started,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from corral.dialects.gathering import gather
from corral.dialects.openai_chat import DIALECT
from corral.kit.errors import (
    CorralError,
    InvalidRequest,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
    UpstreamOverloaded,
)
from tests.support.openai_wire import about, call, chunk, stream, told


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
        chunk({"role": "assistant", "content": None, "tool_calls": [call(0, "a", "f", "")]}),
        chunk({"tool_calls": [call(0, None, None, '{"x"'), call(1, "b", "g", "{")]}),
        chunk({"tool_calls": [call(1, None, None, "}"), call(0, None, None, ":1}")]}),
        chunk({}, "tool_calls"),
        b"[DONE]",
    )
    assert gather(read(data)).choices[0].parts == (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "{}"))


@pytest.mark.parametrize(
    "calls",
    [
        [call(None, "a", "f", "{}"), call(None, "b", "g", "{}")],
        [call(0, "a", "f", "{}"), call(0, "b", "g", "{}")],
        [call(0, "a", "f", "{"), call(0, "a", "f", "}"), call(1, "b", "g", {})],
        [call(0, "a", None, ""), call(0, None, "f", "{}"), call(1, "b", "g", "{}")],
    ],
    ids=["without index", "always index 0", "id and name each time", "name behind the id"],
)
def test_tool_calls_as_other_servers_tell_them(calls: list[dict[str, Any]]) -> None:
    data = stream(*(chunk({"tool_calls": [one]}) for one in calls), chunk({}, "stop"), b"[DONE]")
    answer = gather(read(data))
    assert answer.choices[0].parts == (ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}"))
    assert answer.choices[0].reason == "tool_calls"


def test_a_call_without_an_id_gets_one_and_without_a_name_is_nonsense() -> None:
    data = stream(chunk({"tool_calls": [call(0, None, "f", "{}")]}), chunk({}, "tool_calls"), b"[DONE]")
    part = gather(read(data)).choices[0].parts[0]
    assert isinstance(part, ToolCall) and part.id
    with pytest.raises(UpstreamFailed, match="without a name"):
        read(stream(chunk({"tool_calls": [call(0, "a", None, "{}")]}), chunk({}, "tool_calls"), b"[DONE]"))


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
    signed_call = {**call(0, "a", "f", "{}"), "extra_content": {"google": {"thought_signature": "s2"}}}
    data = stream(chunk(signed), chunk({"tool_calls": [signed_call]}), chunk({}, "stop"), b"[DONE]")
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
    sent = stream(chunk({"role": "assistant", "content": ""}), chunk({"tool_calls": [call(0, "a", "f", '{"x"')]}))
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
