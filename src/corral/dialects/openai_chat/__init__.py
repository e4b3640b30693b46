"""OpenAI's chat completions, as OpenAI and the many servers that follow it speak them."""

from __future__ import annotations

from collections.abc import Mapping

from corral.dialects.form import Answer, ChatRequest, Usage
from corral.dialects.openai_chat import answers, errors, requests, writing
from corral.dialects.openai_chat.reader import ChatReader
from corral.dialects.openai_chat.writer import ChatWriter
from corral.dialects.openai_chat.writing import Flavour
from corral.dialects.ports import About, Dialect, Written
from corral.dialects.sse import KEEP_ALIVE, MEDIA_TYPE
from corral.kit.errors import CorralError


class OpenAIChat:
    """The dialect; `flavour` is what the provider at the other end differs in."""

    name = requests.NAME
    media_type = MEDIA_TYPE
    keep_alive = KEEP_ALIVE

    def __init__(self, flavour: Flavour | None = None) -> None:
        self.flavour = flavour if flavour is not None else Flavour()

    def read_request(self, body: bytes) -> ChatRequest:
        """Raises InvalidRequest naming the field at fault."""
        return requests.read_request(body)

    def write_request(self, request: ChatRequest, model: str) -> Written:
        """The request for a provider that knows the model as `model`. Raises InvalidRequest for what it cannot say."""
        return writing.write_request(request, model, self.flavour)

    def read_answer(self, body: bytes) -> Answer:
        """A whole answer. Raises UpstreamFailed for nonsense and the error for one that is told inside a 200."""
        return answers.read_answer(body)

    def glance(self, body: bytes) -> Usage | None:
        """See `Dialect`."""
        return answers.glance(body)

    def write_answer(self, answer: Answer, about: About) -> bytes:
        """A whole answer for a client."""
        return answers.write_answer(answer, about)

    def reader(self) -> ChatReader:
        """A new reader."""
        return ChatReader()

    def writer(self, about: About) -> ChatWriter:
        """A new writer."""
        return ChatWriter(about)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> CorralError:
        """What an answer with a status of 400 and more means."""
        return errors.read_error(status, headers, body)

    def write_error(self, error: CorralError) -> bytes:
        """The body of an error answer."""
        return errors.write_error(error)


DIALECT: Dialect = OpenAIChat()
OPENAI: Dialect = OpenAIChat(Flavour(max_tokens="max_completion_tokens", sampling=False))
"""As OpenAI itself wants it."""

__all__ = ["DIALECT", "OPENAI", "Flavour", "OpenAIChat"]
