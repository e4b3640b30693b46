"""An answer as it arrives."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import msgspec

from corral.dialects.form import ChatEvent, TextDelta
from corral.dialects.gathering import Gathering
from corral.dialects.registry import DIALECTS
from corral.kit.errors import CorralError, InvalidRequest, UpstreamFailed, by_code
from corral.library.timing import limited, loop_time
from corral.library.types import Answer

if TYPE_CHECKING:
    from corral.inference.types import Streaming

V = TypeVar("V")
DIALECT = "openai_chat"
MAX_KEPT = 64 * 1024 * 1024
"""Bytes of a stream that are kept for the whole answer."""
_STANDARD = ("message", "type", "param", "code")
"""Fields of an error in that dialect; what stands beside them are details."""
Finish = Callable[[Gathering, dict[str, str]], Answer[V]]


class AnswerStream(Generic[V]):
    """Events of an answer, in their order: `Started`, `TextDelta`, `ReasoningDelta`, `ToolCallDelta`, `Usage`, `Finished` and others.

    Iterate it (`async for`), under `async with` where it may be left early; leaving it ends the work upstream. `text()` gives the
    pieces of text alone, `answer()` the whole answer when all is read. It begins when the first event is asked for. Raises CorralError.
    """

    def __init__(
        self, begin: Callable[[], Coroutine[Any, Any, Streaming]], finish: Finish[V], timeout: float | None
    ) -> None:
        self._begin = begin
        self._finish = finish
        self._timeout = timeout
        self._gathering = Gathering()
        self._size = 0
        self._headers: dict[str, str] = {}
        self._events = self._read()
        self._done = False

    def __aiter__(self) -> Self:
        """Itself: an answer passes once."""
        return self

    async def __anext__(self) -> ChatEvent:
        """The next event."""
        return await self._events.__anext__()

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        await self.aclose()

    async def aclose(self) -> None:
        """Ends the work upstream; also needed when it is left early outside of `async with`."""
        await self._events.aclose()

    async def text(self) -> AsyncGenerator[str, None]:
        """The pieces of text."""
        async for event in self:
            if isinstance(event, TextDelta) and event.text:
                yield event.text

    async def answer(self) -> Answer[V]:
        """The whole answer, read to its end. Raises CorralError, and InvalidRequest for one that was left early."""
        async for _ in self:
            pass
        if not self._done:
            raise InvalidRequest("The answer was left before its end.")
        if self._size > MAX_KEPT:
            raise UpstreamFailed("The answer is too long to be kept as a whole; take its events.")
        return self._finish(self._gathering, self._headers)

    async def _read(self) -> AsyncGenerator[ChatEvent, None]:
        until = loop_time(self._timeout)
        # Not over the `yield`s: what the caller does in between is not ours to interrupt.
        async with limited(until, self._timeout):
            streaming = await self._begin()
        self._headers = dict(streaming.headers)
        reader = DIALECTS[DIALECT].reader()
        piece: bytes | None = b""
        async with aclosing(streaming):
            while piece is not None:
                async with limited(until, self._timeout):
                    piece = await anext(streaming, None)
                self._size += len(piece or b"")
                for event in _events(reader, piece):
                    if self._size <= MAX_KEPT:
                        self._gathering.add(event)
                    yield event
        self._done = True


def _events(reader: Any, piece: bytes | None) -> list[ChatEvent]:
    try:
        found: list[ChatEvent] = reader.end() if piece is None else reader.feed(piece)
    except CorralError as error:
        raise _as_it_was(error, piece) from None
    return found


def _as_it_was(error: CorralError, piece: bytes | None) -> CorralError:
    """The error that the last event tells, as the kind of error that it was before it was written."""
    for line in reversed((piece or b"").splitlines()):
        if not line.startswith(b"data:"):
            continue
        try:
            told = msgspec.json.decode(line[5:], type=dict[str, Any]).get("error")
        except msgspec.DecodeError:
            continue
        if isinstance(told, dict) and isinstance(told.get("code"), str):
            kind = by_code(told["code"])
            if kind is not None:
                message = str(told.get("message") or error.message)
                details = {name: value for name, value in told.items() if name not in _STANDARD}
                return kind(message, details=details, retry_after=error.retry_after, param=error.param)
    return error
