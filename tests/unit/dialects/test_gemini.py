"""Gemini's generateContent: what the API's own rules ask for, beside the suite that all dialects pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corral.dialects.form import (
    Answer,
    ChatRequest,
    Choice,
    Document,
    Format,
    Image,
    Message,
    Reasoning,
    StopReason,
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
from corral.dialects.gemini import DIALECT, read_count, write_count_request
from corral.dialects.gemini.models import generation
from corral.dialects.gemini.schemas import from_openapi, to_openapi
from corral.dialects.ports import About
from corral.kit.errors import (
    ContentFiltered,
    ContextExceeded,
    CorralError,
    InvalidRequest,
    ModelNotFound,
    ProviderRefused,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
    UpstreamOverloaded,
)

HI = (text_message("user", "hi"),)
ABOUT = About("r1", "gemini-2.5-pro", 0, ChatRequest("gemini-2.5-pro", HI))


def request(**fields: Any) -> bytes:
    return json.dumps({"contents": [{"role": "user", "parts": [{"text": "hi"}]}], **fields}).encode()


def written(asked: ChatRequest, model: str = "gemini-2.5-pro") -> dict[str, Any]:
    body: dict[str, Any] = json.loads(DIALECT.write_request(asked, model).body)
    return body


def chunk(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\r\n\r\n"


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


# Answers


def test_a_stream_as_the_api_sends_it() -> None:
    stream = (
        chunk(
            candidates=[{"content": {"parts": [{"text": "hm", "thought": True}], "role": "model"}, "index": 0}],
            responseId="r1",
        )
        + chunk(
            candidates=[{"content": {"parts": [{"text": "Hello"}], "role": "model"}}],
            usageMetadata={"promptTokenCount": 9},
        )
        + chunk(
            candidates=[
                {
                    "content": {"parts": [{"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "s"}]},
                    "finishReason": "STOP",
                }
            ],
            usageMetadata={
                "promptTokenCount": 9,
                "candidatesTokenCount": 5,
                "thoughtsTokenCount": 3,
                "cachedContentTokenCount": 2,
            },
            modelVersion="gemini-2.5-pro",
        )
    )
    reader = DIALECT.reader()
    events = [event for place in range(len(stream)) for event in reader.feed(stream[place : place + 1])]
    assert reader.done
    answer = gather(events + reader.end())
    thought, text, call = answer.choices[0].parts
    assert (thought, text) == (Reasoning("hm"), Text("Hello"))
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments, call.signature) == ("f", '{"a": 1}', "gemini:s")
    assert call.id.startswith("call_")
    assert answer.choices[0].reason == "tool_calls"
    assert answer.usage == Usage(9, 8, 2, 0, 3)


def test_a_made_id_differs_from_answer_to_answer_and_from_call_to_call() -> None:
    def ids(response: str) -> list[str]:
        call = {"functionCall": {"name": "f", "args": {}}}
        body = {"candidates": [{"content": {"parts": [call, call]}, "finishReason": "STOP"}], "responseId": response}
        parts = DIALECT.read_answer(json.dumps(body).encode()).choices[0].parts
        return [part.id for part in parts if isinstance(part, ToolCall)]

    assert len({*ids("a"), *ids("b")}) == 4
    assert ids("a") == ids("a")


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("OTHER", "error"),
        ("SOMETHING_NEW", "error"),
    ],
)
def test_reasons(told: str, reason: StopReason) -> None:
    body = json.dumps({"candidates": [{"finishReason": told}]}).encode()
    assert DIALECT.read_answer(body).choices == (Choice((), reason),)


def test_a_prompt_against_the_rules_is_an_error_and_not_an_empty_answer() -> None:
    with pytest.raises(ContentFiltered, match="SAFETY"):
        DIALECT.read_answer(b'{"promptFeedback":{"blockReason":"SAFETY"}}')
    reader = DIALECT.reader()
    reader.feed(chunk(promptFeedback={"blockReason": "PROHIBITED_CONTENT"}))
    with pytest.raises(ContentFiltered):
        reader.end()


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"candidates":[]}', b'{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}']
)
def test_an_answer_without_an_end_is_a_failure(body: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        DIALECT.read_answer(body)


def test_an_image_that_the_model_made() -> None:
    blob = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    body = json.dumps(
        {"candidates": [{"content": {"parts": [{"text": "see"}, blob]}, "finishReason": "STOP"}]}
    ).encode()
    assert DIALECT.read_answer(body).choices[0].parts == (Text("see"), Image("image/png", "AA=="))


def test_calls_are_told_whole_and_at_once() -> None:
    writer = DIALECT.writer(ABOUT)
    assert writer.write(ToolCallDelta(0, '{"a":{"b":1}', "c", "f")) == b""
    told = json.loads(writer.write(ToolCallDelta(0, "}")).removeprefix(b"data: "))
    assert told["candidates"][0]["content"]["parts"][0]["functionCall"] == {
        "id": "c",
        "name": "f",
        "args": {"a": {"b": 1}},
    }
    assert writer.write(ToolCallDelta(0, " ")) == b""
    with pytest.raises(UpstreamFailed):
        writer.write(ToolCallDelta(0, "more"))
    with pytest.raises(UpstreamFailed):
        writer.write(ToolCallDelta(1, "{}"))


def test_a_failure_in_mid_stream() -> None:
    writer = DIALECT.writer(ABOUT)
    reader = DIALECT.reader()
    reader.feed(writer.write(TextDelta("a")))
    with pytest.raises(RateLimited, match="slowly"):
        reader.feed(writer.fail(RateLimited("slowly", retry_after=4)))


def test_a_whole_answer_has_googles_form() -> None:
    answer = Answer((Choice((Text("a"),), "length"),), Usage(5, 9, 1, 0, 4), "r1", "gemini-2.5-pro")
    assert json.loads(DIALECT.write_answer(answer, ABOUT)) == {
        "candidates": [
            {"content": {"parts": [{"text": "a"}], "role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}
        ],
        "usageMetadata": {
            "promptTokenCount": 5,
            "candidatesTokenCount": 5,
            "totalTokenCount": 14,
            "cachedContentTokenCount": 1,
            "thoughtsTokenCount": 4,
        },
        "modelVersion": "gemini-2.5-pro",
        "responseId": "r1",
    }


# Errors

PER_DAY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "RequestsPerDayPerModel"}],
}
WAIT = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.5s"}
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}


@pytest.mark.parametrize(
    ("status", "name", "message", "details", "expected"),
    [
        (400, "INVALID_ARGUMENT", "bad", [], InvalidRequest),
        (400, "INVALID_ARGUMENT", "API key not valid", [BAD_KEY], ProviderRefused),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            [],
            ContextExceeded,
        ),
        (403, "PERMISSION_DENIED", "no", [], ProviderRefused),
        (404, "NOT_FOUND", "no model", [], ModelNotFound),
        (429, "RESOURCE_EXHAUSTED", "quota", [WAIT], RateLimited),
        (429, "RESOURCE_EXHAUSTED", "quota", [PER_DAY, WAIT], QuotaExhausted),
        (500, "INTERNAL", "oops", [], UpstreamFailed),
        (503, "UNAVAILABLE", "overloaded", [], UpstreamOverloaded),
    ],
)
def test_errors_of_the_api(
    status: int, name: str, message: str, details: list[Any], expected: type[CorralError]
) -> None:
    told = {"error": {"code": status, "message": message, "status": name, "details": details}}
    for body in (told, [told]):
        error = DIALECT.read_error(status, {}, json.dumps(body).encode())
        assert type(error) is expected
    if expected is RateLimited:
        assert error.retry_after == 37.5
    if expected is ContextExceeded:
        assert error.details == {"n_prompt_tokens": 1200000, "n_ctx": 1048576}
    with pytest.raises(expected):
        DIALECT.reader().feed(chunk(**told))
