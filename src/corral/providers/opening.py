"""From the head of an answer to its first content: what goes wrong until then is raised, not relayed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from typing import cast

import msgspec

from corral.dialects.form import Finished, ImageDelta, ReasoningDelta, RefusalDelta, TextDelta, ToolCallDelta
from corral.dialects.ports import Dialect, EventReader
from corral.dialects.registry import DIALECTS
from corral.dialects.sse import SseReader
from corral.kit.errors import CorralError, ModelNotFound, UpstreamFailed, UpstreamTimeout
from corral.providers.transport import Response
from corral.providers.types import MAX_ANSWER, ProviderKey

MAX_ERROR = 1 << 20
MAX_BEFORE_CONTENT = 16 * 1024 * 1024
"""Bytes of a stream that may come before its first content: a responses stream repeats the whole request twice."""

LEAST_SECRET = 4
"""Characters of a key that is looked for in words; a shorter one would be found in any."""
STREAMS = ("text/event-stream", "application/x-ndjson", "application/stream+json", "application/jsonl")
_CONTENT = (TextDelta, ReasoningDelta, RefusalDelta, ToolCallDelta, ImageDelta, Finished)


class _Told(msgspec.Struct):
    error: msgspec.Raw = msgspec.Raw(b"null")
    type: str | None = None


_TOLD = msgspec.json.Decoder(_Told)


class WholeAnswer(msgspec.Struct):
    """An `Exchange` of which all has come: nothing is left that could be given up."""

    whole: bytes
    status: int
    media_type: str

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """See `Exchange`."""
        if self.whole:
            yield self.whole

    async def read(self, limit: int = MAX_ANSWER) -> bytes:
        """See `Exchange`."""
        if len(self.whole) > limit:
            raise UpstreamFailed(f"The answer has more than {limit} bytes.")
        return self.whole

    def abort(self) -> None:
        """See `Exchange`."""


class Answer:
    """An `Exchange`: bytes that have come already, and the rest of a response.

    Args:
        chunks: the rest.
        abort: gives the response up.
        seconds: after so many from now it is given up, None never.
    """

    __slots__ = (
        "_abort",
        "_began",
        "_chunks",
        "_late",
        "_timer",
        "_total",
        "media_type",
        "status",
    )

    def __init__(
        self,
        began: bytes,
        *,
        status: int,
        media_type: str,
        chunks: AsyncIterator[bytes],
        abort: Callable[[], None],
        seconds: float | None = None,
    ) -> None:
        self.status = status
        self.media_type = media_type
        self._began = began
        self._chunks = chunks
        self._abort: Callable[[], None] | None = abort
        self._late = False
        self._total = seconds
        self._timer: asyncio.TimerHandle | None = None
        if seconds is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, seconds), self._give_up)

    @property
    def whole(self) -> bytes | None:
        """See `Exchange`."""
        return None

    def chunks(self) -> AsyncIterator[bytes]:
        """See `Exchange`."""
        began, self._began = self._began, b""
        if self._total is not None:
            return self._bounded(began)
        return _Chunks(began, self._chunks, self.abort)

    async def _bounded(self, began: bytes) -> AsyncGenerator[bytes, None]:
        try:
            if began:
                yield began
            async for chunk in self._chunks:
                yield chunk
        except UpstreamFailed:
            if self._late:
                raise UpstreamTimeout(f"The answer took longer than {self._total:.0f} s.") from None
            raise
        finally:
            self.abort()

    async def read(self, limit: int = MAX_ANSWER) -> bytes:
        """See `Exchange`."""
        parts, size = [], 0
        try:
            async for chunk in self.chunks():
                parts.append(chunk)
                size += len(chunk)
                if size > limit:
                    raise UpstreamFailed(f"The answer has more than {limit} bytes.")
        finally:
            self.abort()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def abort(self) -> None:
        """See `Exchange`."""
        abort, self._abort = self._abort, None
        if abort is not None:
            abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._late = True
        self.abort()


class _Chunks:
    """What has come already, then the rest as it comes. Each piece passes here without a step of its own."""

    __slots__ = ("_began", "_ended", "_rest")

    def __init__(self, began: bytes, rest: AsyncIterator[bytes], ended: Callable[[], None]) -> None:
        self._began = began
        self._rest = rest
        self._ended = ended

    def __aiter__(self) -> _Chunks:
        """Itself: an answer passes once."""
        return self

    def __anext__(self) -> Awaitable[bytes]:
        """The next piece."""
        began = self._began
        if began:
            self._began = b""
            return _said(began)
        return self._rest.__anext__()

    async def aclose(self) -> None:
        """Gives up what has not come."""
        self._began = b""
        try:
            await cast("AsyncGenerator[bytes, None]", self._rest).aclose()
        finally:
            self._ended()


async def _said(piece: bytes) -> bytes:
    return piece


def dialect_of(name: str) -> Dialect:
    """The dialect that reads errors and streams; what is no chat tells errors as OpenAI's chats do."""
    return DIALECTS[name if name in DIALECTS else "openai_chat"]


async def succeeded(response: Response, dialect: Dialect, model: str) -> None:
    """Raises what an answer that is not 2xx means, after reading it."""
    status = response.status
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        response.abort()
        raise UpstreamFailed(
            "The provider redirects elsewhere, which is not followed: a key goes to its own address only."
        )
    body = await response.read(MAX_ERROR)
    error = dialect.read_error(status, response.headers, body)
    if status == 404 and model:
        raise ModelNotFound(
            f"The provider does not know the model {model!r}, or not its path: {error.message}", param="model"
        )
    raise error


def json_type(response: Response) -> str:
    """The media type of a whole answer. Raises for another kind than JSON."""
    kind = response.media_type
    if kind and not (kind.endswith("json") or kind in STREAMS):
        raise UpstreamFailed(f"The provider answered with {kind[:100]} where JSON was expected.")
    return kind


def look_for_error(body: bytes, dialect: str, *, chat: bool) -> None:
    """Raises an error that came with a good status."""
    if b'"error"' not in body:
        return
    try:
        told = _TOLD.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamFailed("The provider answered with what is not JSON.") from None
    if bytes(told.error) == b"null":
        return
    spoken = dialect_of(dialect)
    if chat:
        spoken.read_answer(body)
    raise spoken.read_error(500, {}, body)


async def first_content(response: Response, chunks: AsyncIterator[bytes], dialect: Dialect, chat: bool) -> bytes:
    """What a stream says up to its first content. Raises for another kind, for an error, and for an end without any."""
    kind = response.media_type
    if kind and kind not in STREAMS:
        if not kind.endswith("json"):
            raise UpstreamFailed(f"The provider answered with {kind[:100]} where a stream was expected.")
        body = await _joined(chunks)
        if chat:
            dialect.read_answer(body)
        raise UpstreamFailed("The provider answered in one piece where a stream was expected.")
    reader: EventReader | _Plain = dialect.reader() if chat else _Plain(dialect)
    held: list[bytes] = []
    size = 0
    async for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size > MAX_BEFORE_CONTENT:
            raise UpstreamFailed("The provider says much and nothing of it is content.")
        if any(_is_content(event) for event in reader.feed(chunk)):
            return held[0] if len(held) == 1 else b"".join(held)
    reader.end()
    # Whole, though it says nothing: an empty answer.
    return b"".join(held)


async def _joined(chunks: AsyncIterator[bytes]) -> bytes:
    parts, size = [], 0
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > MAX_ANSWER:
            raise UpstreamFailed(f"The provider's answer has more than {MAX_ANSWER} bytes.")
    return b"".join(parts)


def _is_content(event: object) -> bool:
    if isinstance(event, TextDelta | ReasoningDelta | RefusalDelta):
        return bool(event.text) or isinstance(event, ReasoningDelta)
    return isinstance(event, _CONTENT)


class _Plain:
    """Reads a stream that is no chat (completions): everything that is no error is content."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._reader = SseReader()

    def feed(self, chunk: bytes) -> list[Finished]:
        """An event for each that is no error. Raises the error."""
        found = []
        for name, data in self._reader.feed(chunk):
            if name == b"error" or b'"error"' in data:
                self._look(data)
            if data.strip() != b"[DONE]":
                found.append(Finished("stop"))
        return found

    def end(self) -> list[Finished]:
        """Nothing came at all."""
        raise UpstreamFailed("The provider's answer ended before it began.")

    def _look(self, data: bytes) -> None:
        try:
            told = _TOLD.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UpstreamFailed("The provider sent an event that is not JSON.") from None
        if bytes(told.error) != b"null":
            raise self._dialect.read_error(500, {}, data)


def hidden(error: CorralError, keys: Iterable[ProviderKey]) -> CorralError:
    """The error without the keys, which a provider's own words may repeat."""
    for key in keys:
        if len(key.value) >= LEAST_SECRET and key.value in error.message:
            error.message = error.message.replace(key.value, "[key]")
            error.args = (error.message,)
    return error


def named(error: CorralError, provider: str, status: int | None) -> CorralError:
    """The error with who it comes from."""
    facts = {"provider": provider}
    error.details = {**facts, **({"provider_status": status} if status is not None else {}), **(error.details or {})}
    return error
