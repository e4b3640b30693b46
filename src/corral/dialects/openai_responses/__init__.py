"""OpenAI's Responses, without what needs answers of the past."""

from __future__ import annotations

from collections.abc import Mapping

from corral.dialects.form import Answer, ChatRequest, Usage
from corral.dialects.openai_chat import errors
from corral.dialects.openai_responses import answers, requests, writing
from corral.dialects.openai_responses.proofs import without_foreign_proofs
from corral.dialects.openai_responses.reader import ResponsesReader
from corral.dialects.openai_responses.writer import ResponsesWriter
from corral.dialects.ports import About, Dialect, Written
from corral.dialects.sse import KEEP_ALIVE, MEDIA_TYPE
from corral.kit.errors import CorralError


class OpenAIResponses:
    """The dialect."""

    name = requests.NAME
    media_type = MEDIA_TYPE
    keep_alive = KEEP_ALIVE

    def read_request(self, body: bytes) -> ChatRequest:
        """Raises InvalidRequest naming the field at fault."""
        return requests.read_request(body)

    def write_request(self, request: ChatRequest, model: str) -> Written:
        """The request for a provider that knows the model as `model`. Raises InvalidRequest for several choices."""
        return writing.write_request(request, model)

    def read_answer(self, body: bytes) -> Answer:
        """A whole answer. Raises UpstreamFailed for nonsense and the error for one that is told inside a 200."""
        return answers.read_answer(body)

    def glance(self, body: bytes) -> Usage | None:
        """See `Dialect`."""
        return answers.read_answer(body).usage

    def write_answer(self, answer: Answer, about: About) -> bytes:
        """A whole answer for a client."""
        return answers.write_answer(answer, about)

    def reader(self) -> ResponsesReader:
        """A new reader."""
        return ResponsesReader()

    def writer(self, about: About) -> ResponsesWriter:
        """A new writer."""
        return ResponsesWriter(about)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> CorralError:
        """What an answer with a status of 400 and more means."""
        return errors.read_error(status, headers, body)

    def write_error(self, error: CorralError) -> bytes:
        """The body of an error answer."""
        return errors.write_error(error)


DIALECT: Dialect = OpenAIResponses()

__all__ = ["DIALECT", "OpenAIResponses", "without_foreign_proofs"]
