"""Answers in the form of a schema, by every provider and for every dialect of clients (BR-6): kept, taken out, repaired, or an error."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from corral.dialects.form import ChatRequest, Format, TextDelta, text_message
from corral.dialects.registry import DIALECTS
from corral.inference.structured import wanted_by
from corral.inference.types import Ask
from corral.kit.errors import CorralError, InvalidRequest, OutputInvalid
from tests.support import inference
from tests.support.gateway import ELSEWHERE, Gateway, model_of
from tests.support.inference import ANN, provider_of, read, route, said
from tests.support.structured import (
    CALLS,
    DIALECTS_OF_CLIENTS,
    GOOD,
    IGNORES,
    KEEPS,
    QUICK,
    SCHEMA,
    TEXT,
    answered,
    ask,
    fake,
    own,
)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", ELSEWHERE)
async def test_a_provider_that_honours_the_schema_is_asked_in_its_own_way(
    every_provider: Gateway, tmp_path: Path, kind: str, stream: bool
) -> None:
    provider = fake(every_provider, kind)
    async with own(every_provider, tmp_path, kind) as gate:
        for dialect in DIALECTS_OF_CLIENTS:
            assert json.loads(await answered(gate, ask(f"{kind}/m", dialect, stream=stream))) == GOOD
            assert gate.recorder.last.structured in ("valid", "streamed")
            assert [one.kind for one in gate.recorder.last.attempts] == ["first"]
    assert all("city" in json.dumps(one["body"]) for one in provider.seen())


@pytest.mark.parametrize("kind", ELSEWHERE)
@pytest.mark.parametrize(
    "around",
    [
        "```json\n{}\n```",
        "Here you are:\n\n{}\n\nI hope that helps!",
        'I thought of {{"city": 1}} first.\n```\n{}\n```',
    ],
)
async def test_json_is_taken_out_of_what_stands_around_it(
    every_provider: Gateway, tmp_path: Path, kind: str, around: str
) -> None:
    fake(every_provider, kind, honour_schema=False, schema_text=around.format(TEXT))
    async with own(every_provider, tmp_path, kind) as gate:
        for stream in (False, True):
            assert await answered(gate, ask(f"{kind}/m", "openai_chat", stream=stream, repair=1)) == TEXT
            assert gate.recorder.last.structured == "extracted"
            assert len(gate.recorder.last.attempts) == 1


@pytest.mark.parametrize("kind", ELSEWHERE)
@pytest.mark.parametrize("dialect", DIALECTS_OF_CLIENTS)
async def test_a_stream_that_passes_and_does_not_fit_ends_with_an_error_event(
    every_provider: Gateway, tmp_path: Path, kind: str, dialect: str
) -> None:
    fake(every_provider, kind, honour_schema=False, schema_text='{"city": "Ulm", "people": 6}', pace=0.01)
    async with own(every_provider, tmp_path, kind, KEEPS) as gate:
        pieces: list[bytes] = []
        # On a busy machine all of it may come at once: then there is no stream yet that could end badly.
        with pytest.raises(CorralError, match="people: is 6"):
            async with aclosing(await gate.inference.stream(ANN, ask(f"{kind}/m", dialect, stream=True))) as stream:
                assert stream.headers["X-Corral-Structured"] == "streamed"
                pieces = [piece async for piece in stream]
            read(dialect, b"".join(pieces))
        assert not pieces or b"Ulm" in b"".join(pieces[:-1])
        assert b"[DONE]" not in b"".join(pieces)
        assert len(gate.recorder.last.attempts) == 1
        assert gate.recorder.last.outcome == "failed"


async def test_a_good_stream_passes_untouched(every_provider: Gateway, tmp_path: Path) -> None:
    provider = fake(every_provider, "openai", pace=0.3, id="chatcmpl-1")
    asked = ask("openai/m", "openai_chat", stream=True)
    async with (
        own(every_provider, tmp_path, "openai") as gate,
        aclosing(await gate.inference.stream(ANN, asked)) as stream,
    ):
        pieces = [piece async for piece in stream]
    assert len(pieces) > 2, "it is passed on as it comes"
    body = asked.body.replace(b'"openai/m"', b'"m"')
    headers = {"content-type": "application/json", "authorization": "Bearer any"}
    request = urllib.request.Request(f"{provider.base_url}/chat/completions", body, headers)
    with await asyncio.to_thread(urllib.request.urlopen, request, timeout=30) as answer:
        assert b"".join(pieces) == answer.read()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", ELSEWHERE)
async def test_a_provider_that_does_not_know_schemas_is_asked_in_words(
    every_provider: Gateway, tmp_path: Path, kind: str, stream: bool
) -> None:
    provider = fake(every_provider, kind, text=f"Sure! {TEXT}")
    async with own(every_provider, tmp_path, kind, IGNORES) as gate:
        for dialect in ("openai_chat", "anthropic", "ollama_chat"):
            assert await answered(gate, ask(f"{kind}/m", dialect, stream=stream)) == TEXT
            assert gate.recorder.last.structured == "extracted"
            body = provider.seen()[-1]["body"]
            assert "validates against this JSON schema" in json.dumps(body)
            written = DIALECTS[gate.recorder.last.attempts[0].dialect].read_request(json.dumps(body).encode())
            assert written.format is None


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", [kind for kind in ELSEWHERE if kind != "ollama"])
async def test_one_that_knows_tools_instead_answers_by_calling_one(
    every_provider: Gateway, tmp_path: Path, kind: str, stream: bool
) -> None:
    async with own(every_provider, tmp_path, kind, CALLS) as gate:
        for dialect in DIALECTS_OF_CLIENTS:
            provider = fake(every_provider, kind)
            assert json.loads(await answered(gate, ask(f"{kind}/m", dialect, stream=stream))) == GOOD
            body = provider.seen()[-1]["body"]
            assert "answer" in json.dumps(body["tools"])
            assert gate.recorder.last.structured == "valid"
        provider.script({"tool_calls": [{"name": "answer", "arguments": {"city": "X"}}]})
        provider.then({"text": TEXT, "tool_calls": []})
        assert await answered(gate, ask(f"{kind}/m", "openai_chat", stream=stream)) == TEXT
        provider.script({"text": TEXT})
        provider.then({"status": 400, "message": "tools are not supported"})
        assert await answered(gate, ask(f"{kind}/m", "openai_chat", stream=stream)) == TEXT
        assert "tools" not in provider.seen()[-1]["body"]
        tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
        assert await answered(gate, ask(f"{kind}/m", "openai_chat", stream=stream, tools=[tool])) == TEXT
        assert "validates against" in json.dumps(provider.seen()[-1]["body"])


async def test_one_that_refuses_to_be_asked_so_is_asked_in_words(every_provider: Gateway, tmp_path: Path) -> None:
    provider = fake(every_provider, "compatible", text=TEXT)
    provider.then({"status": 400, "message": "response_format json_schema is not supported"})
    async with own(every_provider, tmp_path, "compatible") as gate:
        assert await answered(gate, ask("compatible/m", "openai_chat", stream=False)) == TEXT
        assert [one.kind for one in gate.recorder.last.attempts] == ["first", "retry"]
    provider = fake(every_provider, "openai", text=TEXT)
    async with own(every_provider, tmp_path / "b", "openai") as gate:
        provider.then({"status": 400, "message": "the schema is too large"})
        assert await answered(gate, ask("openai/m", "ollama_chat", stream=False)) == TEXT
        provider.then({"status": 400, "message": "the schema is too large"})
        with pytest.raises(InvalidRequest, match="too large"):
            await answered(gate, ask("openai/m", "openai_chat", stream=False))


@pytest.mark.parametrize("kind", ELSEWHERE)
async def test_any_json_object(every_provider: Gateway, tmp_path: Path, kind: str) -> None:
    provider = fake(every_provider, kind)
    async with own(every_provider, tmp_path, kind) as gate:
        for dialect in ("openai_chat", "openai_responses", "ollama_chat"):
            provider.script({"text": "[1]"})
            provider.then({"text": "no JSON"})
            with pytest.raises(OutputInvalid, match="must be object"):
                await answered(gate, ask(f"{kind}/m", dialect, stream=False, schema=None, repair=1))
            provider.script({"text": '{"a": 1}'})
            assert await answered(gate, ask(f"{kind}/m", dialect, stream=True, schema=None)) == '{"a": 1}'
            if kind in ("openai", "anthropic") and dialect == "ollama_chat":
                assert "JSON" in json.dumps(provider.seen()[-1]["body"]), "it has to be named"


@pytest.mark.parametrize("then", ["reset", "end", "error"])
async def test_a_cut_in_the_middle_is_continued_and_held_against_the_schema(
    every_provider: Gateway, tmp_path: Path, then: str
) -> None:
    fake(every_provider, "openai", tokens=['{"city": ', '"Käse", ', '"people": ', "7}"], after=2, then=then)
    spec = route("r", ("openai", "m"), ("gemini", "m"))
    providers = {kind: provider_of(every_provider.providers[kind], timeouts=QUICK) for kind in ("openai", "gemini")}
    async with inference.gateway(tmp_path, providers, spec) as gate:
        fake(every_provider, "gemini")
        assert json.loads(await answered(gate, ask("r", "openai_chat", stream=True))) == GOOD
        assert [one.kind for one in gate.recorder.last.attempts] == ["first", "continuation"]
        fake(every_provider, "gemini", honour_schema=False, schema_text='{"city": "Käse", "people": 1}')
        with pytest.raises(CorralError):
            await answered(gate, ask("r", "openai_chat", stream=True))


@pytest.mark.parametrize("repair", [0, 2])
async def test_what_says_itself_why_it_is_no_json_passes(every_provider: Gateway, tmp_path: Path, repair: int) -> None:
    provider = fake(every_provider, "openai")
    async with own(every_provider, tmp_path, "openai") as gate:
        for stream in (False, True):
            provider.script({"text": '{"city": "a very long one and more", "people": 7}'})
            cut = ask("openai/m", "openai_chat", stream=stream, repair=repair, max_tokens=3)
            assert "city" in await answered(gate, cut)
            provider.script({"refusal": "I would rather not."})
            await answered(gate, ask("openai/m", "openai_chat", stream=stream, repair=repair))
            tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
            provider.script({"text": "", "tool_calls": [{"name": "look", "arguments": {}}]})
            await answered(gate, ask("openai/m", "openai_chat", stream=stream, repair=repair, tools=[tool]))
            assert len(gate.recorder.last.attempts) == 1


async def test_our_own_requests_have_it_too(every_provider: Gateway, tmp_path: Path) -> None:
    request = ChatRequest(
        "openai/m", (text_message("user", "Which city?"),), stream=True, format=Format("schema", "a", SCHEMA)
    )
    provider = fake(every_provider, "openai")
    async with own(every_provider, tmp_path, "openai") as gate:
        text = "".join(event.text for event in await gate.events(request) if isinstance(event, TextDelta))
        assert json.loads(text) == GOOD
        provider.script({"honour_schema": False, "schema_text": "{}"})
        with pytest.raises(OutputInvalid, match="city: is missing"):
            await gate.events(request)
    async with own(every_provider, tmp_path / "b", "openai", IGNORES) as gate:
        provider.script({"text": f"```json\n{TEXT}\n```"})
        text = "".join(event.text for event in await gate.events(request) if isinstance(event, TextDelta))
        assert text == TEXT


FAULTS: list[tuple[str, Any, str]] = [
    ("openai_chat", {"type": "strng"}, "response_format.json_schema.schema.type"),
    ("openai_responses", {"properties": {"a": {"$ref": "#/none"}}}, "text.format.schema.properties.a.$ref"),
    ("anthropic", {"items": 3}, "output_config.format.schema.items"),
    ("ollama_chat", {"anyOf": []}, "format.anyOf"),
    ("ollama_generate", {"pattern": "("}, "format.pattern"),
]


@pytest.mark.parametrize(("dialect", "schema", "field"), FAULTS)
def test_a_schema_that_is_not_understood_is_refused_with_its_field(dialect: str, schema: Any, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        wanted_by(ask("m", dialect, stream=False, schema=schema))
    assert caught.value.param == field
    assert caught.value.message.startswith(f"{field}: ")


def test_what_asks_for_no_form_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps({"messages": 'nothing that could be read, and "format" in words'}).encode()
    for dialect in DIALECTS_OF_CLIENTS:
        assert wanted_by(Ask("chat", dialect, "m", body)) is None
    assert wanted_by(Ask("embeddings", "openai", "m", b'{"response_format": 1}')) is None
    with pytest.raises(InvalidRequest, match="from 0 to 5"):
        wanted_by(
            Ask(
                "chat", "openai_chat", "m", ask("m", "openai_chat", stream=False).body, headers={"x-corral-repair": "9"}
            )
        )


def test_over_http_a_header_tells_how_it_was_reached(every_provider: Gateway) -> None:
    provider = fake(every_provider, "openai")
    provider.then({"honour_schema": False, "schema_text": "{}"})
    url = f"{every_provider.server.url}/v1/chat/completions"

    def post(schema: Any) -> Any:
        body = ask(model_of("openai"), "openai_chat", stream=False, schema=schema).body
        headers = {"content-type": "application/json"}
        return urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60)

    with post(SCHEMA) as answer:
        assert answer.headers["X-Corral-Structured"] == "repaired"
        assert answer.headers["X-Corral-Attempts"] == "2"
    provider.script({"honour_schema": False, "schema_text": "{}"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(SCHEMA)
    error = json.loads(caught.value.read())["error"]
    assert (caught.value.code, error["code"]) == (502, "output_invalid")
    with pytest.raises(urllib.error.HTTPError) as caught:
        post({"type": "strng"})
    error = json.loads(caught.value.read())["error"]
    assert (caught.value.code, error["param"]) == (400, "response_format.json_schema.schema.type")


def test_the_scripted_model_keeps_to_a_schema(every_provider: Gateway) -> None:
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    body = ask("corral-demo", "openai_chat", stream=False, schema=schema, max_tokens=60).body
    url = f"{every_provider.server.url}/v1/chat/completions"
    with urllib.request.urlopen(
        urllib.request.Request(url, body, {"content-type": "application/json"}), timeout=120
    ) as answer:
        told = json.loads(answer.read())
        assert answer.headers["X-Corral-Structured"] == "valid"
    assert isinstance(json.loads(told["choices"][0]["message"]["content"])["ok"], bool)
    body = ask("corral-demo", "openai_chat", stream=True, schema=schema, max_tokens=60).body
    with urllib.request.urlopen(
        urllib.request.Request(url, body, {"content-type": "application/json"}), timeout=120
    ) as answer:
        assert answer.headers["X-Corral-Structured"] == "streamed"
        assert isinstance(json.loads(said("openai_chat", answer.read()))["ok"], bool)
