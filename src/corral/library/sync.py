"""The library for programs without an event loop, or beside one that must not wait."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack, overload

from corral.dialects.form import ChatEvent, TextDelta
from corral.kit.errors import InvalidRequest, ShuttingDown
from corral.library.types import Answer, Embeddings, Model

if TYPE_CHECKING:
    from corral.library.llm import LLM
    from corral.library.messages import Messages
    from corral.library.options import ChatOptions
    from corral.library.streams import AnswerStream

T = TypeVar("T")
V = TypeVar("V")
CLOSING = 60.0
"""Seconds that its end may take."""


class SyncLLM:
    """`LLM` with methods that wait. Make it with `LLM.sync(…)` and use it under `with`.

    The work is done by an event loop in a thread of its own, so it works where a loop runs already, and any number of threads may ask at
    once. An interrupt (Ctrl-C) while one waits gives the question up. One that is never closed ends with the program, engines and all, as a
    server ends that is killed: nothing is damaged, but what was used last may not have been written down.
    """

    def __init__(self, make: Callable[[], LLM]) -> None:
        self._llm = make()
        self._loop: _Loop | None = None

    def __enter__(self) -> Self:
        """Starts it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    def start(self) -> None:
        """See `LLM.start`; `with` does it."""
        if self._loop is not None:
            return
        loop = self._loop = _Loop()
        try:
            loop.run(self._llm.start())
        except BaseException:
            self._loop = None
            loop.end()
            raise
        # At the end of the program it is too late: threads can no longer be begun for what has to be written.
        self._dropped = weakref.finalize(self, _drop, loop, self._llm)
        self._dropped.atexit = False

    def close(self) -> None:
        """See `LLM.close`; `with` does it. A second time does nothing."""
        loop, self._loop = self._loop, None
        if loop is not None:
            self._dropped.detach()
            _end(loop, self._llm)

    @overload
    def chat(self, messages: Messages, *, schema: None = None, **options: Unpack[ChatOptions]) -> Answer[None]: ...
    @overload
    def chat(self, messages: Messages, *, schema: type[T], **options: Unpack[ChatOptions]) -> Answer[T]: ...
    @overload
    def chat(self, messages: Messages, *, schema: Any, **options: Unpack[ChatOptions]) -> Answer[Any]: ...
    def chat(self, messages: Messages, *, schema: Any = None, **options: Unpack[ChatOptions]) -> Answer[Any]:
        """See `LLM.chat`."""
        return self._running.run(self._llm.chat(messages, schema=schema, **options))

    @overload
    def stream(
        self, messages: Messages, *, schema: None = None, **options: Unpack[ChatOptions]
    ) -> SyncStream[None]: ...
    @overload
    def stream(self, messages: Messages, *, schema: type[T], **options: Unpack[ChatOptions]) -> SyncStream[T]: ...
    @overload
    def stream(self, messages: Messages, *, schema: Any, **options: Unpack[ChatOptions]) -> SyncStream[Any]: ...
    def stream(self, messages: Messages, *, schema: Any = None, **options: Unpack[ChatOptions]) -> SyncStream[Any]:
        """See `LLM.stream`."""
        loop = self._running
        return SyncStream(loop, self._llm.stream(messages, schema=schema, **options))

    def embed(self, texts: str | Sequence[str], *, model: str, dimensions: int | None = None) -> Embeddings:
        """See `LLM.embed`."""
        return self._running.run(self._llm.embed(texts, model=model, dimensions=dimensions))

    def models(self) -> list[Model]:
        """See `LLM.models`."""
        return self._running.run(self._llm.models())

    @property
    def _running(self) -> _Loop:
        if self._loop is None:
            raise ShuttingDown("This LLM is not open: use it under `with`.")
        return self._loop


class SyncStream(Generic[V]):
    """`AnswerStream` with methods that wait. Iterate it, under `with` where it may be left early."""

    def __init__(self, loop: _Loop, stream: AnswerStream[V]) -> None:
        self._loop = loop
        self._stream = stream
        self._left = weakref.finalize(self, _leave, loop, stream)
        self._left.atexit = False

    def __iter__(self) -> Self:
        """Itself: an answer passes once."""
        return self

    def __next__(self) -> ChatEvent:
        """The next event."""
        event = self._loop.run(_next(self._stream))
        if event is None:
            raise StopIteration
        return event

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    def close(self) -> None:
        """Ends the work upstream."""
        self._left.detach()
        self._loop.run(self._stream.aclose())

    def text(self) -> Iterator[str]:
        """The pieces of text."""
        for event in self:
            if isinstance(event, TextDelta) and event.text:
                yield event.text

    def answer(self) -> Answer[V]:
        """See `AnswerStream.answer`."""
        return self._loop.run(self._stream.answer())


async def _next(stream: AnswerStream[Any]) -> ChatEvent | None:
    # StopAsyncIteration may not leave a coroutine.
    return await anext(stream, None)


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        # The end of a program is not held up by one that was not closed.
        self._thread = threading.Thread(target=self._loop.run_forever, name="corral-library", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """What comes of `work`. An exception here, an interrupt above all, gives it up. Raises ShuttingDown after the end."""
        if threading.current_thread() is self._thread:
            work.close()
            raise InvalidRequest("A SyncLLM cannot wait in its own event loop; use LLM there.")
        if self._loop.is_closed():
            work.close()
            raise ShuttingDown("This LLM was closed. Make a new one.")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except BaseException:
            if not future.done():
                future.cancel()
            raise

    def post(self, work: Coroutine[Any, Any, Any]) -> Future[Any] | None:
        """Has it done, without waiting."""
        if self._loop.is_closed():
            work.close()
            return None
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def end(self) -> None:
        """Ends what is left, and the thread."""
        if self._loop.is_closed():
            return
        with contextlib.suppress(TimeoutError):
            self.run(_cancel_all(), CLOSING)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSING)
        if not self._thread.is_alive():
            self._loop.close()


async def _cancel_all() -> None:
    """Ends all tasks, generators and threads of this loop, as `asyncio.run` does."""
    loop = asyncio.get_running_loop()
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


def _end(loop: _Loop, llm: LLM) -> None:
    try:
        loop.run(llm.close(), CLOSING)
    finally:
        loop.end()


def _drop(loop: _Loop, llm: LLM) -> None:
    """Nobody holds it any more. The collector, which tells of it, must not wait, and may run in the very thread that is to end."""
    threading.Thread(target=_end, args=(loop, llm), name="corral-library-end", daemon=True).start()


def _leave(loop: _Loop, stream: AnswerStream[Any]) -> None:
    loop.post(stream.aclose())
