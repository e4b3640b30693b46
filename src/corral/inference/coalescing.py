"""One making of an answer that several wait for: each may leave alone, and when the last one leaves the work upstream ends."""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Iterable, Mapping
from contextlib import aclosing

from corral.inference.types import Record, Reply, Streaming
from corral.kit.clock import Clock
from corral.kit.context import request_id
from corral.kit.errors import CorralError, InternalError, UpstreamFailed
from corral.kit.tasks import Tasks

JOINABLE = 8 * 1024 * 1024
"""Bytes of an answer up to which it is kept from its beginning, for those that come later and for caches."""
_AHEAD = 256 * 1024
"""Bytes that the making may be before the fastest of those who wait."""
_BEHIND = 32 * 1024 * 1024
"""Bytes that the slowest may be behind; then the others wait for it until its surface gives it up."""

_ENDING = 5.0
"""Seconds that the last one who leaves waits for the work to end, to know what it used."""


class Waiter:
    """One who waits: how far it has read, and the record of its request."""

    __slots__ = ("index", "place", "record", "wake")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.index = 0
        self.place = 0
        """How many bytes it has taken."""
        self.wake: asyncio.Future[None] | None = None

    def rouse(self) -> None:
        """Lets it look again."""
        wake, self.wake = self.wake, None
        if wake is not None and not wake.done():
            wake.set_result(None)


class Flight:
    """An answer that is being made. `record` is that of the making; at the end one of those who wait is given what it says."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.media_type = ""
        self.headers: Mapping[str, str] = {}
        self.ended = False
        self.left = False
        """Whether all have left it, so that it is being given up."""
        self.error: BaseException | None = None
        self.task: asyncio.Task[None] | None = None
        self._pieces: deque[bytes] = deque()
        self._base = 0
        """The index of the first piece that is still there."""
        self._size = 0
        self._waiters: dict[Waiter, None] = {}
        self._room: asyncio.Future[None] | None = None

    @property
    def joinable(self) -> bool:
        """Whether one that comes now still gets all of it."""
        return self._base == 0 and not self.left and self.error is None and (self.ended or self._size <= JOINABLE)

    @property
    def body(self) -> bytes | None:
        """All that there is so far, None for too much."""
        return b"".join(self._pieces) if self._base == 0 and self._size <= JOINABLE else None

    def deliver(self, reply: Reply) -> None:
        """The answer came whole."""
        self.media_type, self.headers = reply.media_type, reply.headers
        self._add(reply.body)

    def replay(self, pieces: Iterable[bytes], media_type: str, headers: Mapping[str, str]) -> None:
        """The answer was there already, and is within what may be kept."""
        self.media_type, self.headers = media_type, headers
        for piece in pieces:
            self._add(piece)

    async def relay(self, streaming: Streaming) -> None:
        """Takes an answer as it comes, no faster than those who wait for it."""
        self.media_type, self.headers = streaming.media_type, streaming.headers
        async with aclosing(streaming):
            async for piece in streaming:
                if not piece:
                    continue
                self._add(piece)
                while self._full():
                    self._room = asyncio.get_running_loop().create_future()
                    await self._room

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes. Gives the record to one of those who wait, or to the one that left last."""
        if self.ended:
            return
        self.error, self.ended = error, True
        for waiter in self._waiters:
            waiter.rouse()

    def enter(self, record: Record) -> Waiter:
        """One more waits. The first one's record tells of the attempts while they are made, for as long as it waits."""
        waiter = Waiter(record)
        if not self._waiters and not self.ended:
            record.attempts = self.record.attempts
        self._waiters[waiter] = None
        return waiter

    async def leave(self, waiter: Waiter) -> None:
        """One less waits; when it was the last one the work is ended and what it used is in this one's record."""
        self._waiters.pop(waiter, None)
        task = self.task
        if not self._waiters and not self.ended and task is not None and task is not asyncio.current_task():
            self.left = True
            task.cancel()
            await asyncio.wait({task}, timeout=_ENDING)
            self._give(waiter)
        elif not self.ended:
            # Those who stay have it to themselves, and one of them pays.
            waiter.record.attempts = []
        self._make_room()

    def pay(self) -> None:
        """Gives what the making used to the first who waits: it is counted once."""
        payer = next(iter(self._waiters), None)
        if payer is not None:
            self._give(payer)

    def _give(self, waiter: Waiter) -> None:
        record, made = waiter.record, self.record
        record.attempts, record.relayed = made.attempts, made.relayed
        record.first_content = made.first_content or record.first_content
        record.cache = record.cache or made.cache

    async def read(self, waiter: Waiter, clock: Clock) -> AsyncGenerator[bytes, None]:
        """The pieces, from the first. Raises what the making raised before there was any."""
        record = waiter.record
        try:
            while True:
                if waiter.index - self._base < len(self._pieces):
                    piece = self._pieces[waiter.index - self._base]
                    waiter.index += 1
                    waiter.place += len(piece)
                    self._make_room()
                    if record.first_content is None:
                        record.first_content = clock.monotonic()
                    record.relayed += 1
                    yield piece
                elif self.ended:
                    break
                else:
                    waiter.wake = asyncio.get_running_loop().create_future()
                    await waiter.wake
            if self.error is not None:
                raise _own(self.error)
            made = self.record
            record.outcome, record.error = "completed" if made.outcome == "running" else made.outcome, made.error
        finally:
            await self.leave(waiter)

    def _add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        for waiter in self._waiters:
            waiter.rouse()
        if self._size > JOINABLE:
            self._trim()

    def _trim(self) -> None:
        """Forgets what all have read, once nobody can join any more."""
        least = min((waiter.index for waiter in self._waiters), default=self._base)
        while self._base < least and self._pieces:
            self._pieces.popleft()
            self._base += 1

    def _full(self) -> bool:
        if not self._waiters:
            return False
        places = [waiter.place for waiter in self._waiters]
        return self._size - max(places) > _AHEAD or self._size - min(places) > _BEHIND

    def _make_room(self) -> None:
        room = self._room
        if room is not None and not room.done() and not self._full():
            self._room = None
            room.set_result(None)


Work = Callable[[Flight], Awaitable[None]]


class Flights:
    """The answers that are being made, by what they answer to."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._clock = clock
        self._tasks = Tasks(name)
        self._flights: dict[Hashable, Flight] = {}

    def __len__(self) -> int:
        """How many are being made."""
        return len(self._flights)

    def find(self, key: Hashable) -> Flight | None:
        """One that can be joined."""
        found = self._flights.get(key)
        return found if found is not None and found.joinable else None

    async def settled(self, key: Hashable) -> None:
        """Waits for the end of one that is being given up, if there is one."""
        found = self._flights.get(key)
        if found is not None and found.left and found.task is not None:
            await asyncio.wait({found.task}, timeout=_ENDING)

    def begin(self, key: Hashable, record: Record, work: Work) -> Flight:
        """Begins `work`, which makes the answer for the flight that it is given. Enter the flight before the next await."""
        making = Record(record.user_id, record.ask, record.began, record.key_id, record.route, trace=record.trace)
        flight = self._flights[key] = Flight(making)
        flight.task = self._tasks.start("answer", self._fly(key, flight, work))
        # One that is given up before its first step never runs.
        flight.task.add_done_callback(lambda _: self._landed(key, flight))
        return flight

    async def whole(self, flight: Flight, record: Record) -> Reply:
        """The answer when it is whole. Raises what the making raised."""
        pieces = [piece async for piece in flight.read(flight.enter(record), self._clock)]
        return Reply(b"".join(pieces), flight.media_type, {**flight.headers, **made_by(flight.record)})

    async def stream(self, flight: Flight, record: Record) -> Streaming:
        """The answer as it comes, from its beginning. Raises what the making raised before there was any of it."""
        pieces = flight.read(flight.enter(record), self._clock)
        try:
            first = await anext(pieces)
        except StopAsyncIteration:
            raise UpstreamFailed("The answer was empty.") from None
        return Streaming(first, pieces, flight.media_type, {**flight.headers, **made_by(flight.record)})

    async def stop(self) -> None:
        """Ends all of them."""
        await self._tasks.stop()

    async def _fly(self, key: Hashable, flight: Flight, work: Work) -> None:
        request_id.set(flight.record.ask.request_id)
        try:
            await work(flight)
        except CorralError as error:
            flight.pay()
            flight.end(error)
        except BaseException as error:
            flight.pay()
            flight.end(InternalError("The answer could not be made.") if isinstance(error, Exception) else error)
            raise
        else:
            flight.pay()
            flight.end()
        finally:
            self._landed(key, flight)

    def _landed(self, key: Hashable, flight: Flight) -> None:
        flight.end(asyncio.CancelledError())
        if self._flights.get(key) is flight:
            del self._flights[key]


def made_by(record: Record) -> dict[str, str]:
    """The headers that tell who answers; empty while nobody does."""
    by = record.answered_by
    return {} if by is None else {"X-Corral-Provider": by.provider, "X-Corral-Model": by.model}


def _own(error: BaseException) -> BaseException:
    """The error for one of several: each raises its own."""
    if isinstance(error, asyncio.CancelledError):
        return UpstreamFailed("The answer was given up.")
    return copy.copy(error)
