"""Ollama's /api/chat and /api/generate (https://docs.ollama.com/api), for clients and for providers.

An option such as `num_ctx` that would load a model anew goes to an Ollama only: here it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from corral.dialects.form import Answer, ChatRequest, Usage
from corral.dialects.ollama import answers, errors, reading, streams, wire, writing
from corral.dialects.ports import About, Dialect, EventReader, EventWriter, Written
from corral.kit.errors import CorralError

__all__ = ["CHAT", "GENERATE"]


class _Ollama:
    media_type = wire.MEDIA_TYPE
    keep_alive = b""

    def __init__(
        self,
        name: str,
        read: Callable[[bytes], ChatRequest],
        write: Callable[[ChatRequest, str], Written],
        write_answer: Callable[[Answer, About], bytes],
        writer: Callable[[About], EventWriter],
    ) -> None:
        self.name = name
        self._read = read
        self._write = write
        self._write_answer = write_answer
        self._writer = writer

    def read_request(self, body: bytes) -> ChatRequest:
        return self._read(body)

    def write_request(self, request: ChatRequest, model: str) -> Written:
        return self._write(request, model)

    def read_answer(self, body: bytes) -> Answer:
        return answers.read_answer(body)

    def glance(self, body: bytes) -> Usage | None:
        return answers.read_answer(body).usage

    def write_answer(self, answer: Answer, about: About) -> bytes:
        return self._write_answer(answer, about)

    def reader(self) -> EventReader:
        return streams.Reader()

    def writer(self, about: About) -> EventWriter:
        return self._writer(about)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> CorralError:
        return errors.read_error(status, headers, body)

    def write_error(self, error: CorralError) -> bytes:
        return errors.write_error(error)


CHAT: Dialect = _Ollama(wire.CHAT, reading.read_chat, writing.write_chat, answers.write_chat_answer, streams.Writer)
GENERATE: Dialect = _Ollama(
    wire.GENERATE, reading.read_generate, writing.write_generate, answers.write_generate_answer, streams.GenerateWriter
)
