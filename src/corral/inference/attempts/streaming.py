"""A streamed answer, from its first content to its end, through as many candidates as it takes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from functools import partial
from typing import Generic, TypeVar, cast

from msgspec.structs import replace

from corral.dialects.form import TextDelta, Usage, text_of
from corral.dialects.gathering import Gathering
from corral.dialects.registry import DIALECTS
from corral.inference.attempts import judging
from corral.inference.attempts.asking import Asking, Question
from corral.inference.attempts.candidates import Candidates
from corral.inference.attempts.opening import Opened
from corral.inference.attempts.relays import ContinuedRelay, Relay
from corral.inference.continuing import Ending, Unfit, Way, plan, reason_not_to
from corral.inference.outlets import Outlet
from corral.inference.routes.types import Candidate
from corral.inference.types import Attempt, AttemptKind, add
from corral.kit.errors import CorralError, InvalidRequest, UpstreamTimeout
from corral.providers.opening import hidden
from corral.providers.types import Provider

T = TypeVar("T")
DRAIN = 0.5
"""Seconds that a connection is given to end after its answer, so that it can be used again."""
TRIES = 2
"""How often one candidate is asked to go on in one way at the same place."""
ROUNDS = 3
"""How often all candidates are gone through for somebody who goes on, with a rest between."""
BYTES_A_TOKEN = 4


class StreamRun(Generic[T]):
    """One streamed answer; in which form it is passed on is the outlet's business. `relay` begins the way there for an answer."""

    def __init__(
        self, candidates: Candidates, asking: Asking, outlet: Outlet[T], relay: Callable[[Question], Relay[T]]
    ) -> None:
        self._candidates = candidates
        self._attempts = candidates.attempts
        self._record = candidates.attempts.record
        self._asking = asking
        self._outlet = outlet
        self._relay = relay
        self._tried: dict[tuple[Candidate, str, int], int] = {}
        self._late = False

    async def pieces(self) -> AsyncGenerator[T, None]:
        """The answer. Raises CorralError before its first piece; a later failure that nobody mends is told by the outlet."""
        opened, relay = await self._candidates.first(self._open)
        while True:
            chunks = cast("AsyncGenerator[bytes, None]", opened.exchange.chunks())
            try:
                with self._deadline(opened):
                    async for chunk in chunks:
                        piece = relay.take(chunk)
                        # What a dialect's writer holds back begins nothing.
                        if piece:
                            yield piece
                        if relay.done or relay.failure is not None:
                            break
                    for piece in _rest(relay):
                        yield piece
                await _drain(chunks)
                self._answered(opened, relay)
                return
            except CorralError as error:
                failure = self._broken(opened, relay, error)
            except BaseException:
                self._left(opened, relay)
                raise
            finally:
                opened.exchange.abort()
                await chunks.aclose()
            following = await self._following(opened, failure)
            if isinstance(following, Ending | CorralError):
                for piece in self._last(following):
                    yield piece
                return
            opened, relay = following

    async def _open(self, candidate: Candidate, kind: AttemptKind) -> tuple[Opened, Relay[T]]:
        """An answer of which the first content is there."""
        asking, way = self._asking, self._begun(candidate)
        if way is None:
            opened = await self._attempts.open(candidate, kind, partial(asking.put, candidate), stream=True)
            return opened, self._relay(opened.question)
        opened = await self._attempts.open(
            candidate, kind, partial(asking.translate, way.request, candidate), stream=True
        )
        return opened, self._continued(opened, way)

    def _begun(self, candidate: Candidate) -> Way | None:
        """How to go on with an answer of ours that exists in part, for a candidate that does not by itself."""
        if not self._asking.own or not self._asking.request.continues:
            return None
        request, provider = self._asking.request, self._attempts.provider(candidate)
        if provider is None or _prefills(candidate, provider):
            return None
        told = Gathering()
        told.add(TextDelta(text_of(request.messages[-1])))
        planned = plan(replace(request, messages=request.messages[:-1], continues=False), told, 0, prefill=False)
        return None if isinstance(planned, Ending) else planned[0]

    def _continued(self, opened: Opened, way: Way) -> Relay[T]:
        return ContinuedRelay(DIALECTS[opened.question.dialect], self._outlet, way.shaper(), self._total)

    # how an attempt ended

    def _answered(self, opened: Opened, relay: Relay[T]) -> None:
        self._count(opened.attempt, opened, relay, whole=True)
        self._attempts.answered(opened.candidate, opened.attempt)
        self._record.outcome = "completed"

    def _left(self, opened: Opened, relay: Relay[T]) -> None:
        """The client has gone, or the server goes."""
        if relay.done:
            # It had all of the answer.
            self._answered(opened, relay)
            return
        self._count(opened.attempt, opened, relay, whole=False)
        self._attempts.dropped(opened.candidate, opened.attempt)
        if self._record.outcome == "running":
            self._record.outcome = "cancelled"

    def _broken(self, opened: Opened, relay: Relay[T], failure: CorralError) -> CorralError:
        if self._late:
            failure = UpstreamTimeout("The answer took longer than it may.")
        provider = self._attempts.provider(opened.candidate)
        hidden(failure, provider.keys if provider is not None else ())
        self._count(opened.attempt, opened, relay, whole=False)
        self._attempts.failed(opened.candidate, opened.attempt, failure)
        return failure

    def _count(self, attempt: Attempt, opened: Opened, relay: Relay[T], *, whole: bool) -> None:
        """Notes what was used: what the provider said, or what can be told from what came."""
        self._record.relayed += relay.told
        told = relay.usage
        if told is not None and whole:
            attempt.usage = told
            return
        attempt.estimated = True
        if told is None:
            attempt.usage = Usage(len(opened.question.body) // BYTES_A_TOKEN + 1, relay.count)
        else:
            attempt.usage = replace(told, completion_tokens=max(told.completion_tokens, relay.count))

    # who goes on

    async def _following(self, opened: Opened, failure: CorralError) -> tuple[Opened, Relay[T]] | Ending | CorralError:
        """Who goes on after a failure; the answer's end when only that is missing; the failure when nobody can."""
        if not self._outlet.begun:
            return await self._anew(opened.candidate, failure)
        told = self._outlet.told()
        if told is not None and told.finished:
            return Ending(())
        if told is None or self._late or not self._can_be_continued(told):
            return failure
        order = self._after(opened.candidate, failure)
        for _ in range(ROUNDS):
            for candidate in order:
                following = await self._on(candidate, told)
                if following is not None:
                    return following
            if not await self._candidates.rested(order):
                break
        return failure

    async def _anew(self, failed: Candidate, failure: CorralError) -> tuple[Opened, Relay[T]]:
        """The answer by another candidate, or the same one where there is no other: the client has heard nothing yet."""
        attempts, others = self._attempts, self._candidates.without(failed)
        if attempts.left <= 0 or attempts.late:
            raise failure
        self._outlet.forget()
        if others.order:
            return await others.first(self._open)
        if not judging.again(failure) or not attempts.may_repeat(failed):
            raise failure
        await self._candidates.rested([failed])
        return await self._candidates.first(self._open)

    def _can_be_continued(self, told: Gathering) -> bool:
        try:
            return reason_not_to(self._asking.request, told) is None
        except InvalidRequest:
            # The provider understood what Corral does not.
            return False

    def _after(self, failed: Candidate, failure: CorralError) -> Sequence[Candidate]:
        """Those behind the one that failed, those before it, itself; itself first when only its way of going on did not fit."""
        order = list(self._candidates.order)
        place = order.index(failed)
        others = order[place + 1 :] + order[:place]
        return [failed, *others] if isinstance(failure, Unfit) else [*others, failed]

    def _may_go_on(self, candidate: Candidate) -> bool:
        attempts = self._attempts
        left = attempts.seconds()
        return attempts.left > 0 and (left is None or left > 0) and self._candidates.may(candidate)

    async def _on(self, candidate: Candidate, told: Gathering) -> tuple[Opened, Relay[T]] | Ending | None:
        """What comes of asking `candidate` to go on; None when it does not."""
        provider = self._attempts.provider(candidate)
        if provider is None:
            return None
        planned = plan(self._asking.request, told, self._record.relayed, prefill=_prefills(candidate, provider))
        if isinstance(planned, Ending):
            return planned
        for way in planned:
            key = candidate, way.name, self._record.relayed
            tried = self._tried.get(key, 0)
            if tried >= TRIES or not self._may_go_on(candidate) or not self._attempts.may_repeat(candidate):
                continue
            self._tried[key] = tried + 1
            put = partial(self._asking.translate, way.request, candidate)
            try:
                opened = await self._attempts.open(candidate, "continuation", put, stream=True)
            except InvalidRequest:
                # It does not take the request in this form; perhaps in another one.
                continue
            except CorralError:
                return None
            return opened, self._continued(opened, way)
        return None

    def _total(self, last: Usage | None) -> Usage | None:
        """The usage of all attempts, the running one with `last`."""
        before = [one.usage for one in self._record.attempts if one.usage is not None and one.outcome != "running"]
        return add([*before, last] if last is not None else before)

    def _last(self, end: Ending | CorralError) -> Iterator[T]:
        """An answer that nobody goes on with: its end, or its failure."""
        if isinstance(end, CorralError):
            self._record.outcome, self._record.error = "failed", end.code
            yield self._outlet.fail(end)
            return
        now = self._attempts.now
        self._record.attempts.append(Attempt("", "", "completion", now, ended=now, outcome="completed", usage=None))
        usage = self._total(None)
        self._record.outcome = "completed"
        yield self._outlet.write([*([usage] if usage is not None else []), *end.events])
        yield self._outlet.end()

    @contextlib.contextmanager
    def _deadline(self, opened: Opened) -> Iterator[None]:
        """Gives an answer up when the time of the whole is over."""
        left = self._attempts.seconds()
        if left is None:
            yield
            return

        def give_up() -> None:
            self._late = True
            opened.exchange.abort()

        timer = asyncio.get_running_loop().call_later(left, give_up)
        try:
            yield
        finally:
            timer.cancel()


def _rest(relay: Relay[T]) -> Sequence[T]:
    if relay.failure is not None:
        raise relay.failure
    return relay.finish()


async def _drain(chunks: AsyncGenerator[bytes, None]) -> None:
    """Reads a connection to its end, for a moment: then it can be used again. Whatever comes there is nothing."""
    with contextlib.suppress(CorralError, TimeoutError):
        async with asyncio.timeout(DRAIN):
            async for _ in chunks:
                pass


def _prefills(candidate: Candidate, provider: Provider) -> bool:
    known = candidate.prefill if candidate.prefill is not None else provider.abilities(candidate.model).prefill
    return bool(known)
