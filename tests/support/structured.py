"""Requests for answers in the form of a schema, and the providers that they go to."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec

from corral.dialects.registry import DIALECTS
from corral.inference.types import Ask
from corral.kit.http import Timeouts
from corral.providers.types import Abilities
from tests.support import inference
from tests.support.gateway import Gateway
from tests.support.inference import ANN, provider_of, said
from tests.support.inference import Gateway as Own
from tests.support.providers import FakeProvider

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 2}, "people": {"type": "integer", "minimum": 7}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
GOOD = {"city": "Käse", "people": 7}
TEXT = json.dumps(GOOD, ensure_ascii=False)
DIALECTS_OF_CLIENTS = ["openai_chat", "openai_responses", "anthropic", "ollama_chat", "ollama_generate"]
UNKNOWN, KEEPS = Abilities(), Abilities(json_schema=True)
IGNORES, CALLS = Abilities(json_schema=False, tools=False), Abilities(json_schema=False, tools=True)
QUICK = Timeouts(connect=30.0, head=60.0, idle=20.0)


def form(dialect: str, schema: Any = SCHEMA) -> dict[str, Any]:
    """The field that asks for a schema; for any JSON object without one."""
    if dialect == "openai_responses":
        return {
            "text": {
                "format": {"type": "json_schema", "name": "a", "schema": schema} if schema else {"type": "json_object"}
            }
        }
    if dialect == "anthropic":
        return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    if dialect.startswith("ollama"):
        return {"format": schema or "json"}
    told = (
        {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}} if schema else {"type": "json_object"}
    )
    return {"response_format": told}


def ask(model: str, dialect: str, *, stream: bool, repair: int | None = None, schema: Any = SCHEMA, **body: Any) -> Ask:
    """A request as a client sends it."""
    if dialect == "ollama_generate":
        given = {"model": model, "prompt": "Which city?", "stream": stream, **form(dialect, schema), **body}
        made = Ask("chat", dialect, model, msgspec.json.encode(given), stream)
    else:
        made = inference.ask(model, dialect, stream=stream, **form(dialect, schema), **body)
    headers = {"x-corral-repair": str(repair)} if repair is not None else {}
    return Ask(made.operation, dialect, model, made.body, stream, headers)


def fake(gateway: Gateway, kind: str, **act: Any) -> FakeProvider:
    provider = gateway.providers[kind]
    provider.script(act)
    return provider


def own(gateway: Gateway, folder: Path, kind: str, abilities: Abilities = UNKNOWN) -> Any:
    providers = {kind: provider_of(gateway.providers[kind], timeouts=QUICK, abilities=abilities)}
    return inference.gateway(folder, providers)


async def answered(gate: Own, asked: Ask) -> str:
    """The text of an answer, whole or streamed. Raises the error that the client reads."""
    if not asked.stream:
        reply = await gate.inference.whole(ANN, asked)
        answer = DIALECTS[asked.dialect].read_answer(reply.body)
        return "".join(getattr(part, "text", "") for part in answer.choices[0].parts)
    async with aclosing(await gate.inference.stream(ANN, asked)) as pieces:
        return said(asked.dialect, b"".join([piece async for piece in pieces]))
