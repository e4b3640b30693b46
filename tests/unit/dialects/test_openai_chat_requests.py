"""Requests of OpenAI's chat, field by field, and the form before tool calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corral.dialects.form import (
    ChatEvent,
    ChatRequest,
    Document,
    Finished,
    Image,
    Message,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
    text_message,
)
from corral.dialects.gathering import gather
from corral.dialects.openai_chat import DIALECT, OPENAI, Flavour
from corral.dialects.ports import About
from corral.kit.errors import (
    InvalidRequest,
)
from tests.support.openai_wire import HELLO, asked, foreign, told, written


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


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"type": "json_schema"}, "json_schema: is missing."),
        ({"type": "json_schema", "json_schema": "{}"}, "json_schema: must be an object."),
        ({}, "type: is missing."),
        ({"type": 7}, "type: must be text."),
    ],
)
def test_a_response_format_says_what_is_wrong_with_it(form: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^response_format.{says}$"):
        asked(response_format=form)


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
