"""Requests of Gemini's generateContent: what the API's own rules ask for, beside the suite that all dialects pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corral.dialects.form import (
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
from corral.dialects.gemini import DIALECT, read_count, write_count_request
from corral.dialects.gemini.models import generation
from corral.dialects.gemini.schemas import from_openapi, to_openapi
from corral.kit.errors import (
    InvalidRequest,
)

HI = (text_message("user", "hi"),)


def request(**fields: Any) -> bytes:
    return json.dumps({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], **fields}).encode()


def written(asked: ChatRequest, model: str = "gemini-2.5-pro") -> dict[str, Any]:
    body: dict[str, Any] = json.loads(DIALECT.write_request(asked, model).body)
    return body


def test_calls_and_their_answers_are_paired_where_there_are_no_ids() -> None:
    call: dict[str, Any] = {"functionCall": {"name": "get", "args": {"a": 1}}}
    other: dict[str, Any] = {"functionCall": {"name": "put"}, "thoughtSignature": "abc"}
    answers = [
        {"functionResponse": {"name": name, "response": {"output": text}}}
        for name, text in (("put", "p"), ("get", "first"), ("get", "second"))
    ]
    contents = [{"role": "model", "parts": [call, call, other]}, {"role": "user", "parts": answers}]
    said, told = DIALECT.read_request(request(contents=contents)).messages
    first, second, put = (part for part in said.parts if isinstance(part, ToolCall))
    assert len({first.id, second.id, put.id}) == 3
    assert put.signature == "gemini:abc"
    assert put.arguments == "{}"
    found = {part.call_id: part.parts for part in told.parts if isinstance(part, ToolResult)}
    assert found == {put.id: (Text("p"),), first.id: (Text("first"),), second.id: (Text("second"),)}


def test_the_answer_to_a_call_names_its_tool() -> None:
    messages = (
        *HI,
        Message("assistant", (ToolCall("c1", "get", '{"a":'),)),
        Message("tool", (ToolResult("c1", (Text("broken"), Image("image/png", "AA==")), failed=True),)),
    )
    body = written(ChatRequest("x", messages))
    assert body["contents"][1]["parts"] == [
        {"functionCall": {"id": "c1", "name": "get", "args": {"INVALID_JSON": '{"a":'}}}
    ]
    assert body["contents"][2] == {
        "role": "user",
        "parts": [
            {"functionResponse": {"id": "c1", "name": "get", "response": {"error": "broken"}}},
            {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
        ],
    }


@pytest.mark.parametrize(("model", "signed"), [("gemini-3-pro-preview", True), ("gemini-2.5-flash", False)])
def test_calls_of_other_models_pass_the_check_of_signatures(model: str, signed: bool) -> None:
    calls = (ToolCall("c1", "a", "{}", "other"), ToolCall("c2", "b", "{}"))
    parts = written(ChatRequest("x", (*HI, Message("assistant", calls))), model)["contents"][1]["parts"]
    assert ["thoughtSignature" in part for part in parts] == [signed, False]
    own = (ToolCall("c1", "a", "{}", "gemini:real"),)
    part = written(ChatRequest("x", (*HI, Message("assistant", own))), model)["contents"][1]["parts"][0]
    assert part["thoughtSignature"] == "real"


def test_thinking_of_other_models_is_left_out() -> None:
    said = Message(
        "assistant", (Reasoning("theirs", "sig"), Reasoning(redacted="x"), Reasoning("mine", "gemini:s"), Text("a"))
    )
    result = DIALECT.write_request(ChatRequest("x", (*HI, said)), "gemini-2.5-pro")
    assert json.loads(result.body)["contents"][1]["parts"] == [
        {"text": "mine", "thought": True, "thoughtSignature": "s"},
        {"text": "a"},
    ]
    assert result.dropped == ("messages.reasoning",)


@pytest.mark.parametrize(
    ("model", "thinking", "config"),
    [
        ("gemini-2.5-flash", Thinking(effort="high"), {"includeThoughts": True, "thinkingBudget": 24576}),
        ("gemini-2.5-flash", Thinking(effort="none"), {"thinkingBudget": 0}),
        ("gemini-2.5-flash", Thinking(budget=3000), {"includeThoughts": True, "thinkingBudget": 3000}),
        ("gemini-3-flash", Thinking(effort="medium"), {"includeThoughts": True, "thinkingLevel": "MEDIUM"}),
        ("gemini-3-pro", Thinking(enabled=False), {"thinkingLevel": "LOW"}),
        ("gemini-3-pro", Thinking(budget=30000), {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        ("gemini-3-pro", Thinking(enabled=True), {"includeThoughts": True}),
    ],
)
def test_how_much_to_think_in_the_words_of_the_model(model: str, thinking: Thinking, config: dict[str, Any]) -> None:
    asked = ChatRequest("x", HI, thinking=thinking, dialect="openai_chat")
    assert written(asked, model)["generationConfig"]["thinkingConfig"] == config


def test_schemas_go_as_they_are_to_new_models_and_fitted_to_old_ones() -> None:
    schema = {"type": "object", "properties": {"n": {"type": ["integer", "null"]}}, "additionalProperties": False}
    asked = ChatRequest("x", HI, tools=(Tool("f", schema=schema),), format=Format("schema", schema=schema))
    new, old = written(asked, "gemini-2.5-pro"), written(asked, "gemini-2.0-flash")
    assert new["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == schema
    assert new["generationConfig"] == {"responseMimeType": "application/json", "responseJsonSchema": schema}
    fitted = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER", "nullable": True}}}
    assert old["tools"][0]["functionDeclarations"][0]["parameters"] == fitted
    assert old["generationConfig"]["responseSchema"] == fitted


def test_references_alternatives_and_constants_are_put_in_place() -> None:
    schema = {
        "$defs": {"pet": {"type": "string", "enum": ["cat", "dog", None]}, "loop": {"$ref": "#/$defs/loop"}},
        "type": "object",
        "properties": {
            "pet": {"$ref": "#/$defs/pet", "description": "which"},
            "either": {"oneOf": [{"type": "integer"}, {"type": "null"}]},
            "any": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            "all": {"allOf": [{"type": "string"}, {"description": "both"}]},
            "kind": {"const": "a"},
            "list": {"type": "array"},
            "several": {"type": ["string", "number"]},
            "loop": {"$ref": "#/$defs/loop"},
            "gone": {"$ref": "#/$defs/nowhere"},
        },
        "required": ["pet"],
    }
    assert to_openapi(schema) == {
        "type": "OBJECT",
        "properties": {
            "pet": {"type": "STRING", "enum": ["cat", "dog"], "nullable": True, "description": "which"},
            "either": {"type": "INTEGER", "nullable": True},
            "any": {"anyOf": [{"type": "INTEGER"}, {"type": "STRING"}]},
            "all": {"type": "STRING", "description": "both"},
            "kind": {"type": "STRING", "enum": ["a"]},
            "list": {"type": "ARRAY", "items": {}},
            "several": {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}]},
            "loop": {},
            "gone": {},
        },
        "required": ["pet"],
    }


def test_the_apis_own_schemas_are_read() -> None:
    own = {"type": "OBJECT", "properties": {"a": {"type": "ARRAY", "items": {"type": "STRING", "nullable": True}}}}
    plain = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": ["string", "null"]}}}}
    assert from_openapi(own) == plain
    asked = DIALECT.read_request(request(tools=[{"functionDeclarations": [{"name": "f", "parameters": own}]}]))
    assert asked.tools == (Tool("f", schema=plain),)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"contents": "hi"}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": [{"parts": [{"text": 3}]}]}, "contents[0].parts[0].text"),
        (
            {"contents": [{"parts": [{"functionCall": {"name": "f", "args": 3}}]}]},
            "contents[0].parts[0].functionCall.args",
        ),
        ({"generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "MAYBE"}}}, "toolConfig.functionCallingConfig"),
    ],
)
def test_the_field_at_fault_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        DIALECT.read_request(request(**fields))
    assert caught.value.param == param


def test_a_choice_among_some_tools_is_kept_for_gemini() -> None:
    config = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["a", "b"]}}
    declared = {"functionDeclarations": [{"name": "a"}, {"name": "b"}]}
    asked = DIALECT.read_request(request(toolConfig=config, tools=[declared]))
    assert asked.tool_choice == ToolChoice("required")
    assert written(asked)["toolConfig"] == config


def test_files_without_a_kind_get_one() -> None:
    parts = (
        Image(url="https://x.test/a.png?size=3"),
        Document(url="https://x.test/a"),
        Document(name="n", text="words"),
    )
    found = written(ChatRequest("x", (Message("user", parts),)))["contents"][0]["parts"]
    assert [next(iter(part.values()))["mimeType"] for part in found] == ["image/png", "application/pdf", "text/plain"]
    with pytest.raises(InvalidRequest):
        DIALECT.write_request(ChatRequest("x", (Message("user", (Image(),)),)), "m")


def test_token_counts() -> None:
    body = json.loads(write_count_request(ChatRequest("x", HI), "gemini-2.5-pro"))
    assert body["generateContentRequest"]["model"] == "models/gemini-2.5-pro"
    assert read_count(b'{"totalTokens":31}') == 31


def test_generations() -> None:
    names = ("gemini-2.5-pro", "models/gemini-3-pro-preview", "gemini-2.0-flash-001", "gemma-3-27b-it")
    assert [generation(name) for name in names] == [(2, 5), (3, 0), (2, 0), None]
