"""Gemini's generateContent (https://ai.google.dev/api/generate-content), for providers and for clients.

The model and whether to stream are in the path of a request, not in its body: reading gives an empty model, writing leaves
both out.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from corral.dialects.form import Answer, ChatRequest, Usage
from corral.dialects.gemini import answers, errors, reading, streams, wire, writing
from corral.dialects.gemini.answers import read_count
from corral.dialects.ports import About, Dialect, EventReader, EventWriter, Written
from corral.dialects.sse import KEEP_ALIVE, MEDIA_TYPE
from corral.kit.errors import CorralError

__all__ = ["DIALECT", "read_count", "write_count_request"]

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Gemini:
    name = wire.NAME
    media_type = MEDIA_TYPE
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
        return streams.Reader()

    def writer(self, about: About) -> EventWriter:
        return streams.Writer(about)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> CorralError:
        return errors.read_error(status, headers, body)

    def write_error(self, error: CorralError) -> bytes:
        return errors.write_error(error)


def write_count_request(request: ChatRequest, model: str) -> bytes:
    """The body of countTokens for a provider that knows the model as `model` (without "models/"). Raises InvalidRequest."""
    asked = _FIELDS.decode(writing.write_request(request, model).body)
    asked["model"] = msgspec.Raw(msgspec.json.encode(f"models/{model}"))
    return msgspec.json.encode({"generateContentRequest": asked})


DIALECT: Dialect = _Gemini()
