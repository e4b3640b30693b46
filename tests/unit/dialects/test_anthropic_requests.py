"""Requests of Anthropic's messages: what the API's own rules ask for, beside the suite that all dialects pass."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from corral.dialects.anthropic import (
    DIALECT,
    read_count,
    write_count,
    write_count_request,
)
from corral.dialects.anthropic.models import generation
from corral.dialects.anthropic.schemas import fitting
from corral.dialects.form import (
    Audio,
    ChatRequest,
    Document,
    Format,
    Image,
    Message,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    text_message,
)
from corral.kit.errors import (
    InvalidRequest,
    UpstreamFailed,
)

HI = (text_message("user", "hi"),)


def request(**fields: Any) -> bytes:
    return json.dumps(
        {"model": "c", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **fields}
    ).encode()


def written(asked: ChatRequest, model: str = "m") -> dict[str, Any]:
    body: dict[str, Any] = json.loads(DIALECT.write_request(asked, model).body)
    return body


# Requests


def test_a_request_is_read_with_all_that_it_says() -> None:
    body = request(
        system=[{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "look"}, IMAGE]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "sig"},
                    {"type": "redacted_thinking", "data": "xyz"},
                    {"type": "tool_use", "id": "toolu_1", "name": "get", "input": {"a": [1, "ü"]}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_1",
                        "is_error": True,
                        "content": [{"type": "text", "text": "no"}],
                    },
                    {"type": "text", "text": "and now?"},
                ],
            },
        ],
        tools=[{"name": "get", "description": "gets", "input_schema": {"type": "object"}, "strict": True}],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        thinking={"type": "enabled", "budget_tokens": 2000},
        output_config={"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        stop_sequences=["END"],
        metadata={"user_id": "u1"},
        stream=True,
        top_k=5,
    )
    asked = DIALECT.read_request(body)
    assert asked.messages == (
        Message("system", (Text("be brief", {"type": "ephemeral"}),)),
        Message("user", (Text("look"), Image("image/png", "iVBORw0"))),
        Message(
            "assistant",
            (Reasoning("hm", "sig"), Reasoning(redacted="xyz"), ToolCall("toolu_1", "get", '{"a": [1, "\\u00fc"]}')),
        ),
        Message("tool", (ToolResult("toolu_1", (Text("no"),), failed=True),)),
        Message("user", (Text("and now?"),)),
    )
    assert asked.tools == (Tool("get", "gets", {"type": "object"}, strict=True),)
    assert asked.tool_choice == ToolChoice("required")
    assert asked.parallel_tools is False
    assert asked.thinking == Thinking(enabled=True, effort="low", budget=2000)
    assert asked.format == Format("schema", schema={"type": "object"})
    assert (asked.stop, asked.user, asked.top_k, asked.max_tokens) == (("END",), "u1", 5, 9)
    assert asked.stream
    assert asked.include_usage
    assert not asked.continues
    assert not asked.extras


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0"}}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 3}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": 3}]}, "messages[1].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].source"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64"}}]}]},
            "messages[0].content[0].source.data",
        ),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "b", "input": [1]}]}
                ]
            },
            "messages[0].content[0].input",
        ),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "f", "input_schema": 3}]}, "tools[0].input_schema"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "perhaps"}}, "tool_choice.type"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"output_config": {"effort": 4}}, "output_config.effort"),
        ({"metadata": {"user_id": 4}}, "metadata.user_id"),
        ({"stop_sequences": "END"}, "stop_sequences"),
    ],
)
def test_the_field_at_fault_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        DIALECT.read_request(request(**fields))
    assert caught.value.param == param
    assert param.split("[", maxsplit=1)[0].split(".", maxsplit=1)[0] in caught.value.message


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"model": "\xff"}', b"[" * 200_000, b'{"model":' * 200_000])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        DIALECT.read_request(body)


def test_pitfall_29_an_absent_field_is_not_null_and_null_stays_null() -> None:
    asked = DIALECT.read_request(request(temperature=None, container=None, service_tier="auto"))
    assert asked.temperature is None
    assert asked.extras == {"temperature": None, "container": None, "service_tier": "auto"}
    body = written(asked)
    assert body["temperature"] is None
    assert body["container"] is None
    assert "top_p" not in body
    other = written(msgspec.structs.replace(asked, dialect="openai_chat"))
    assert other.keys() == {"model", "max_tokens", "messages"}


def test_tools_that_only_the_provider_knows_go_to_it_alone() -> None:
    own = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    asked = DIALECT.read_request(request(tools=[{"name": "f", "input_schema": {"type": "object"}}, own]))
    assert [tool.name for tool in asked.tools] == ["f"]
    assert written(asked)["tools"][1] == own


def test_traces_of_the_providers_own_tools_are_not_told_to_others() -> None:
    content = [
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result", "url": "u"}]},
        {"type": "text", "text": "found", "citations": [{"type": "web_search_result_location"}]},
    ]
    asked = DIALECT.read_request(
        request(messages=[{"role": "user", "content": "q"}, {"role": "assistant", "content": content}])
    )
    assert asked.messages[1] == text_message("assistant", "found")
    assert asked.continues


def test_documents_of_every_source() -> None:
    sources: list[dict[str, Any]] = [
        {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
        {"type": "text", "media_type": "text/plain", "data": "words"},
        {"type": "url", "url": "https://example.org/a.pdf"},
        {"type": "file", "file_id": "file_1"},
    ]
    content = [{"type": "document", "title": "t", "source": source} for source in sources]
    asked = DIALECT.read_request(request(messages=[{"role": "user", "content": content}]))
    assert asked.messages[0].parts == (
        Document("t", "application/pdf", "JVBE"),
        Document("t", text="words"),
        Document("t", url="https://example.org/a.pdf"),
        Document("t", id="file_1"),
    )
    assert written(asked)["messages"][0]["content"] == content


def test_a_request_of_another_dialect_is_fitted_to_the_apis_rules() -> None:
    asked = ChatRequest(
        model="x",
        messages=(
            text_message("system", "a"),
            text_message("developer", "b"),
            Message("user", (Text("q"), Text("  ")), name="ana"),
            Message("assistant", (Text(""), ToolCall("functions.get:0", "get", '{"a":'), ToolCall("ok_1", "get", ""))),
            Message("tool", (ToolResult("functions.get:0", (Text("one"),)),)),
            Message("tool", (ToolResult("ok_1"),)),
            text_message("user", "go on"),
        ),
        temperature=1.7,
        top_p=0.5,
        stop=("\n", "END"),
        seed=4,
        logprobs=True,
        dialect="openai_chat",
        extras={"store": True},
    )
    result = DIALECT.write_request(asked, "m")
    body = json.loads(result.body)
    assert body["system"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert body["max_tokens"] == 8192
    assert body["temperature"] == 1.0
    assert body["stop_sequences"] == ["END"]
    assert "store" not in body
    assert "top_p" not in body
    assert set(result.dropped) == {"seed", "logprobs", "messages.name", "temperature", "top_p", "stop"}
    question, calls, results = body["messages"]
    assert question == {"role": "user", "content": "q"}
    first, second = calls["content"]
    assert first["input"] == {"INVALID_JSON": '{"a":'}
    assert second["input"] == {}
    # Results stand first in the one message after the calls, and a foreign id is the same stand-in in both places.
    assert [block["type"] for block in results["content"]] == ["tool_result", "tool_result", "text"]
    assert results["content"][0]["tool_use_id"] == first["id"]
    assert first["id"].startswith("toolu_")
    assert second["id"] == results["content"][1]["tool_use_id"] == "ok_1"
    # The API wants tools in the history to be known, and none of them is offered.
    assert body["tools"] == [{"name": "get", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "none"}


def test_instructions_alone_become_the_users_message() -> None:
    body = written(ChatRequest("x", (text_message("system", "say hi"),)))
    assert body["messages"] == [{"role": "user", "content": "say hi"}]
    assert "system" not in body


def test_a_beginning_of_an_answer_does_not_end_in_white_space() -> None:
    asked = ChatRequest("x", (*HI, text_message("assistant", "Once upon ")), continues=True)
    result = DIALECT.write_request(asked, "m")
    assert json.loads(result.body)["messages"][-1]["content"] == "Once upon"
    assert result.dropped == ("trailing_whitespace",)


@pytest.mark.parametrize(
    ("model", "thinking", "body"),
    [
        (
            "claude-sonnet-4-5-20250929",
            Thinking(effort="high"),
            {"thinking": {"type": "enabled", "budget_tokens": 24576}},
        ),
        ("claude-3-7-sonnet-latest", Thinking(effort="low"), {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        ("claude-haiku-4-5", Thinking(effort="none"), {"thinking": {"type": "disabled"}}),
        (
            "claude-opus-4-6",
            Thinking(effort="medium"),
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}},
        ),
        ("claude-opus-4-7", Thinking(budget=9000), {"thinking": {"type": "adaptive"}}),
        ("somebody/model", Thinking(effort="minimal"), {"output_config": {"effort": "low"}}),
    ],
)
def test_how_much_to_think_in_the_words_of_the_model(model: str, thinking: Thinking, body: dict[str, Any]) -> None:
    found = written(ChatRequest("x", HI, thinking=thinking, dialect="openai_chat"), model)
    assert {key: found[key] for key in ("thinking", "output_config") if key in found} == body
    budget = found.get("thinking", {}).get("budget_tokens", 0)
    assert found["max_tokens"] > budget


def test_thinking_gives_way_to_a_tool_that_must_be_used_and_sampling_to_thinking() -> None:
    tool = Tool("f", schema={"type": "object"})
    forced = ChatRequest(
        "x", HI, tools=(tool,), tool_choice=ToolChoice("tool", "f"), thinking=Thinking(effort="high"), dialect="o"
    )
    result = DIALECT.write_request(forced, "claude-sonnet-4-5")
    assert "thinking" not in json.loads(result.body)
    assert result.dropped == ("thinking",)
    warm = ChatRequest("x", HI, temperature=0.2, thinking=Thinking(effort="high"), dialect="o")
    result = DIALECT.write_request(warm, "claude-sonnet-4-5")
    assert "temperature" not in json.loads(result.body)
    assert result.dropped == ("temperature",)


@pytest.mark.parametrize(
    "part",
    [Audio("wav", "AA=="), Image(), Document()],
)
def test_what_cannot_be_said_is_refused(part: Any) -> None:
    with pytest.raises(InvalidRequest):
        DIALECT.write_request(ChatRequest("x", (Message("user", (part,)),)), "m")


def test_several_choices_and_images_of_the_assistant_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        DIALECT.write_request(ChatRequest("x", HI, choices=2), "m")
    with pytest.raises(InvalidRequest):
        DIALECT.write_request(ChatRequest("x", (Message("assistant", (Image("image/png", "AA=="),)),)), "m")


def test_thinking_goes_back_only_with_the_apis_own_signature() -> None:
    parts = (
        Reasoning("mine", "sig"),
        Reasoning("geminis", "gemini:sig"),
        Reasoning("llamas"),
        Reasoning("openais", "gAAAAABo"),
        Reasoning(redacted="gAAAAABp"),
    )
    result = DIALECT.write_request(ChatRequest("x", (*HI, Message("assistant", (*parts, Text("a"))), *HI)), "m")
    content = json.loads(result.body)["messages"][1]["content"]
    assert [block.get("thinking") for block in content] == ["mine", None]
    assert result.dropped == ("messages.reasoning",)


def test_calls_of_another_model_are_answered_without_thinking() -> None:
    call, result = ToolCall("c", "f", "{}"), Message("tool", (ToolResult("c", (Text("r"),)),))
    for said, thinks in (((call,), False), ((Reasoning("hm", "sig"), call), True), ((Reasoning("hm"), call), False)):
        asked = ChatRequest(
            "x", (*HI, Message("assistant", said), result), thinking=Thinking(effort="high"), dialect="o"
        )
        found = DIALECT.write_request(asked, "claude-sonnet-4-5")
        assert ("thinking" in json.loads(found.body)) == thinks
        assert ("thinking" in found.dropped) != thinks
        # A model that thinks by itself takes such a message as it is.
        assert "thinking" in written(asked, "claude-opus-4-6")


def test_schemas_are_closed_and_lose_only_what_the_api_refuses() -> None:
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 1, "description": "count"},
            "l": {"type": "array", "items": {"type": "object"}},
        },
        "$defs": {"d": {"type": "string", "maxLength": 4}},
    }
    found = fitting(schema)
    assert found["additionalProperties"] is False
    assert found["properties"]["n"] == {"type": "integer", "description": "count (minimum: 1)"}
    assert found["properties"]["l"]["items"] == {"type": "object", "additionalProperties": False}
    assert found["$defs"]["d"] == {"type": "string", "description": "(maxLength: 4)"}
    assert fitting(found) == found


def test_generations() -> None:
    names = (
        "claude-sonnet-4-20250514",
        "claude-opus-4-6",
        "us.anthropic.claude-haiku-4-5-v1:0",
        "claude-3-5-haiku-latest",
        "gpt-5",
    )
    assert [generation(name) for name in names] == [(4, 0), (4, 6), (4, 5), (3, 5), None]


def test_token_counts() -> None:
    asked = DIALECT.read_request(b'{"model":"c","messages":[{"role":"user","content":"hi"}],"system":"s"}')
    assert json.loads(write_count_request(asked, "m")) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "system": "s",
    }
    assert read_count(write_count(42)) == 42
    with pytest.raises(UpstreamFailed):
        read_count(b'{"tokens":1}')
