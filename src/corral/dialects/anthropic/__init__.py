"""Anthropic's Messages API (https://platform.claude.com/docs/en/api/messages), for clients and for providers."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from corral.dialects.anthropic import answers, errors, reading, wire, writing
from corral.dialects.anthropic.answers import read_count, write_count
from corral.dialects.anthropic.prefix import has_billing_line, normalise_prefix
from corral.dialects.anthropic.reader import Reader
from corral.dialects.anthropic.writer import KEEP_ALIVE, Writer
from corral.dialects.form import Answer, ChatRequest, Usage
from corral.dialects.ports import About, Dialect, EventReader, EventWriter, Written
from corral.kit.errors import CorralError

__all__ = ["DIALECT", "has_billing_line", "normalise_prefix", "read_count", "write_count", "write_count_request"]

_COUNTED = ("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control")
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Anthropic:
    name = wire.NAME
    media_type = "text/event-stream"
    keep_alive = KEEP_ALIVE

    def read_request(self, body: bytes) -> ChatRequest:
        return reading.read_request(body)

    def write_request(self, request: ChatRequest, model: str) -> Written:
        return writing.write_request(request, model)

    def read_answer(self, body: bytes) -> Answer:
        return answers.read_answer(body)

    def glance(self, body: bytes) -> Usage | None:
        return answers.read_answer(body).usage

    def write_answer(self, answer: Answer, about: About) -> bytes:
        return answers.write_answer(answer, about)

    def reader(self) -> EventReader:
        return Reader()

    def writer(self, about: About) -> EventWriter:
        return Writer(about)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> CorralError:
        return errors.read_error(status, headers, body)

    def write_error(self, error: CorralError) -> bytes:
        return errors.write_error(error)


def write_count_request(request: ChatRequest, model: str) -> bytes:
    """The body of count_tokens for a provider that knows the model as `model`. Raises InvalidRequest as writing a request does."""
    fields = _FIELDS.decode(writing.write_request(request, model).body)
    return msgspec.json.encode({name: fields[name] for name in _COUNTED if name in fields})


DIALECT: Dialect = _Anthropic()
