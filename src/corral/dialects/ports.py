"""What every dialect offers: pure functions and small state machines, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from corral.dialects.form import Answer, ChatEvent, ChatRequest, Usage
from corral.kit.errors import CorralError


class Written(NamedTuple):
    """A request in a dialect. `dropped` names what the dialect cannot say (fields of the form, such as `logprobs`)."""

    body: bytes
    dropped: tuple[str, ...] = ()


class About(NamedTuple):
    """What a writer of answers needs to know beside the events. `model` is the public name that the client asked for.

    `elapsed` gives the seconds since the request came, for dialects that tell how long an answer took.
    """

    id: str
    model: str
    created: int
    request: ChatRequest
    elapsed: Callable[[], float] | None = None


class EventReader(Protocol):
    """Reads a provider's stream, cut anywhere."""

    @property
    def done(self) -> bool:
        """Whether the stream has said that the answer is whole (`[DONE]`, message_stop, …); whatever follows is ignored."""
        ...

    def feed(self, chunk: bytes) -> list[ChatEvent]:
        """The events that `chunk` completes. Raises CorralError for an error that the stream tells, UpstreamFailed for nonsense;
        where other events of `chunk` came before it, these are returned and the next call (`feed` or `end`) raises."""
        ...

    def skim(self, event: bytes) -> int:
        """How many pieces of text and thinking `event` tells, when it is one whole event that tells nothing but these of what has
        begun already: it is good, and need not be fed. 0 for all others. Only between whole events."""
        ...

    def end(self) -> list[ChatEvent]:
        """The stream has ended. Raises UpstreamFailed unless it had said that the answer is whole."""
        ...


class EventWriter(Protocol):
    """Writes a stream to a client. Every piece of bytes that it returns is a whole number of events, or empty."""

    def resume(self, sent: bytes) -> None:
        """Takes over a stream of which the client has got `sent`: whole events of this dialect, perhaps a provider's own.
        What is written next goes on from there. Called before anything else."""
        ...

    def write(self, event: ChatEvent) -> bytes:
        """The bytes for one event."""
        ...

    def end(self) -> bytes:
        """The bytes that end a whole answer."""
        ...

    def fail(self, error: CorralError) -> bytes:
        """The bytes that tell a failure after the stream has begun; nothing follows, least of all a clean end."""
        ...


class Dialect(Protocol):
    """One wire format of chats, as an object that holds its functions (each dialect module has one: `DIALECT`)."""

    name: str
    """openai_chat, openai_responses, anthropic, gemini, ollama_chat or ollama_generate."""

    media_type: str
    """Of a stream: text/event-stream or application/x-ndjson."""

    keep_alive: bytes
    """What may be sent at any time between two events to keep a connection open; empty where there is no such thing."""

    def read_request(self, body: bytes) -> ChatRequest:
        """Raises InvalidRequest naming the field at fault (`param`)."""
        ...

    def write_request(self, request: ChatRequest, model: str) -> Written:
        """The request for a provider that knows the model as `model`. Raises InvalidRequest for what must not be dropped silently
        (an image for a dialect without images, `choices` over 1 where there is one)."""
        ...

    def read_answer(self, body: bytes) -> Answer:
        """A whole answer. Raises UpstreamFailed for nonsense and the error for one that is told inside a 200."""
        ...

    def glance(self, body: bytes) -> Usage | None:
        """What a whole answer says that it used, None when it does not tell. Raises as `read_answer`, with less work."""
        ...

    def write_answer(self, answer: Answer, about: About) -> bytes:
        """A whole answer for a client."""
        ...

    def reader(self) -> EventReader:
        """A new reader."""
        ...

    def writer(self, about: About) -> EventWriter:
        """A new writer."""
        ...

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> CorralError:
        """What a provider's answer with a status of 400 and more means (header names in lower case)."""
        ...

    def write_error(self, error: CorralError) -> bytes:
        """The body of an error answer."""
        ...
