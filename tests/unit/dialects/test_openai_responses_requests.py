"""Requests of Responses, field by field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corral.dialects.form import (
    ChatRequest,
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
from corral.dialects.openai_chat import DIALECT as CHAT
from corral.dialects.openai_responses import DIALECT, without_foreign_proofs
from corral.kit.errors import (
    InvalidRequest,
)
from tests.support.responses_wire import asked, foreign


def test_items_of_the_assistant_are_one_message() -> None:
    request = asked(
        instructions="Be brief.",
        input=[
            {"role": "developer", "content": "Tools are there."},
            {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "Hm."}, {"type": "summary_text", "text": "So."}],
            },
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "I look.", "annotations": []}],
            },
            {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "b", "name": "g", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "cold"},
            {
                "type": "function_call_output",
                "call_id": "b",
                "output": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}],
            },
        ],
    )
    assert request.messages == (
        text_message("system", "Be brief."),
        text_message("developer", "Tools are there."),
        text_message("user", "Weather?"),
        Message(
            "assistant",
            (Reasoning("Hm.\n\nSo.", id="rs_1"), Text("I look."), ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}")),
        ),
        Message("tool", (ToolResult("a", (Text("cold"),)),)),
        Message("tool", (ToolResult("b", (Image("image/png", "AAAA"),)),)),
    )


def test_items_and_tools_that_only_openai_has_are_skipped() -> None:
    request = asked(
        input=[
            {"role": "user", "content": "Patch it."},
            {"type": "web_search_call", "id": "ws_1", "action": {"type": "search"}},
            {"type": "custom_tool_call", "call_id": "a", "name": "apply_patch", "input": "*** Begin"},
            {"type": "custom_tool_call_output", "call_id": "a", "output": "done"},
        ],
        tools=[
            {"type": "local_shell"},
            {"type": "custom", "name": "apply_patch", "format": {"type": "grammar"}},
            {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False},
        ],
    )
    assert request.tools == (Tool("f", None, {"type": "object"}, False),)
    assert request.messages[1].parts == (ToolCall("a", "apply_patch", '{"input":"*** Begin"}'),)
    assert request.messages[2].parts == (ToolResult("a", (Text("done"),)),)
    chat = json.loads(CHAT.write_request(request, "local").body)
    assert [tool["function"]["name"] for tool in chat["tools"]] == ["f"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_0"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"input": [{"type": "web_search_call"}]}, "input"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": ["Hello"]}, "input[0]"),
        ({"input": [{"role": "wizard", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0]"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0]"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tool_choice": "perhaps"}, "tool_choice"),
        ({"reasoning": {"effort": 5}}, "reasoning.effort"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        asked(**fields)
    assert (caught.value.param or "").startswith(param)


def test_what_is_stateless_is_not_refused() -> None:
    assert asked(previous_response_id=None, store=True, background=False).extras == {"store": True}


def test_a_request_of_another_dialect_is_not_stored_and_not_strict() -> None:
    body = foreign(
        text_message("system", "Be brief."),
        text_message("user", "Hi"),
        tools=(Tool("f"),),
        tool_choice=ToolChoice("tool", "f"),
    )
    assert body["store"] is False
    assert body["instructions"] == "Be brief."
    assert body["tools"] == [
        {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}
    ]
    assert body["tool_choice"] == {"type": "function", "name": "f"}


def test_what_is_left_out_is_told_and_several_choices_are_refused() -> None:
    request = ChatRequest(
        "m", (text_message("user", "Hi"),), dialect="openai_chat", seed=4, stop=("x",), extras={"store": True}
    )
    assert set(DIALECT.write_request(request, "theirs").dropped) == {"seed", "stop", "extras.store"}
    with pytest.raises(InvalidRequest) as caught:
        foreign(choices=2)
    assert caught.value.param == "n"


def test_thinking_that_others_signed_is_not_sent_to_openai() -> None:
    body = foreign(
        text_message("user", "Hi"),
        Message("assistant", (Reasoning("Hm.", "signed"), Text("Yes."))),
        text_message("user", "So?"),
    )
    assert [item.get("role", item["type"]) for item in body["input"]] == ["user", "assistant", "user"]


def test_thinking_and_verbosity() -> None:
    request = asked(
        reasoning={"effort": "low", "summary": "auto", "context": "all_turns"},
        text={"verbosity": "low"},
        include=["message.output_text.logprobs"],
    )
    assert request.thinking == Thinking(effort="low", summary="auto") and request.logprobs
    body = json.loads(DIALECT.write_request(request, "m").body)
    assert body["reasoning"] == {"effort": "low", "summary": "auto", "context": "all_turns"}
    assert body["text"] == {"verbosity": "low"} and body["include"] == ["message.output_text.logprobs"]


FOREIGN: list[dict[str, Any]] = [
    {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Hm."}],
        "encrypted_content": "corral-signature:abc",
    },
    {"type": "reasoning", "summary": [], "encrypted_content": "corral-redacted:xyz"},
]
OWN = {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAown"}
SAID = {"role": "user", "content": "Why does corral-signature: stand there?"}


def test_proofs_of_others_come_back_as_they_were_and_openai_is_not_shown_them() -> None:
    request = asked(input=[SAID, *FOREIGN, OWN, {"role": "assistant", "content": "So."}, SAID])
    assert request.messages[1].parts[:3] == (
        Reasoning("Hm.", "abc"),
        Reasoning(redacted="xyz"),
        Reasoning(redacted="gAAAAown", id=""),
    )
    written = DIALECT.write_request(request, "m")
    thoughts = [item for item in json.loads(written.body)["input"] if item["type"] == "reasoning"]
    assert thoughts == [{"type": "reasoning", "summary": FOREIGN[0]["summary"]}, OWN]
    assert written.dropped == ("reasoning",)


def test_bytes_that_pass_to_openai_lose_the_proofs_of_others_alone() -> None:
    body = json.dumps(
        {"model": "m", "input": [SAID, *FOREIGN, OWN], "store": None, "tools": [{"type": "web_search"}]}
    ).encode()
    assert json.loads(without_foreign_proofs(body)) == {**json.loads(body), "input": [SAID, OWN]}
    plain = json.dumps({"model": "m", "input": [SAID, OWN]}).encode()
    assert json.loads(without_foreign_proofs(plain)) == json.loads(plain)
    untouched = b'{"model": "m",  "input": "Hi"}'
    assert without_foreign_proofs(untouched) is untouched
