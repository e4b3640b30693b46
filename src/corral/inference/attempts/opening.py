"""One attempt at one candidate: its key, its deadline, and what is learned from how it ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

import msgspec

from corral.inference.attempts import judging
from corral.inference.attempts.asking import Question
from corral.inference.health import Condition, Health, Standing
from corral.inference.keys import REFUSED, KeyRing
from corral.inference.ports import Directory
from corral.inference.routes.types import Candidate, RouteSpec
from corral.inference.types import Ask, Attempt, AttemptKind, Record
from corral.kit.clock import Clock
from corral.kit.errors import CorralError, TooManyRequests, Unavailable, Unreachable, UpstreamFailed, UpstreamTimeout
from corral.kit.trace import new_span_id
from corral.providers.types import Call, Exchange, Prices, Provider, ProviderKey

FIRST_CONTENT = 60.0
"""Seconds until the first content of a stream, for a provider elsewhere, when the route does not say."""
COMES_BACK = 3
"""How often a request looks again for an own engine that nobody listens at."""
REST = 1.0
"""Seconds that a busy candidate rests when it does not say."""
TOO_LATE = 0.01
"""Seconds before the end of the whole answer's time from which on nobody is asked any more."""

_FREE = Prices(0.0, 0.0)

Admit = Callable[[Candidate, Prices | None], Awaitable[None]]
Waiting = Callable[[str], int]


class Parts(NamedTuple):
    """What attempts work with. `waiting`: requests before a local model."""

    directory: Directory
    health: Health
    clock: Clock
    chance: random.Random
    waiting: Waiting


class Opened(msgspec.Struct):
    """An attempt whose answer has begun."""

    candidate: Candidate
    provider: Provider
    question: Question
    attempt: Attempt
    exchange: Exchange


class _Known(msgspec.Struct, frozen=True):
    """A candidate, how it is doing, and how its provider is."""

    candidate: Candidate
    condition: Condition
    provider: Standing
    local: bool


class Attempts:
    """The attempts of one request."""

    __slots__ = (
        "_admit", "_ask", "_asked", "_known", "_monotonic", "_parts", "_route", "_spilled", "_until", "_waited", "record",
    )  # fmt: skip

    def __init__(self, parts: Parts, ask: Ask, route: RouteSpec, record: Record, admit: Admit | None) -> None:
        self._parts = parts
        self._ask = ask
        self._route = route
        self.record = record
        self._admit = admit
        self._asked: set[str] = set()
        self._known: _Known | None = None
        """The candidate that was asked about last, as nearly always for all of a request."""
        self._spilled: list[Candidate] = []
        self._waited = 0
        self._monotonic = parts.clock.monotonic
        self._until = self._monotonic() + route.total_timeout if route.total_timeout is not None else None

    @property
    def left(self) -> int:
        """How many more there may be."""
        return self._route.attempts - len(self.record.attempts)

    @property
    def now(self) -> float:
        """The clock."""
        return self._monotonic()

    def seconds(self) -> float | None:
        """What is left of the whole answer's time; None without an end."""
        return max(0.0, self._until - self.now) if self._until is not None else None

    @property
    def late(self) -> bool:
        """Whether the whole answer's time is over: who is asked now could not answer."""
        return self._until is not None and self.now >= self._until - TOO_LATE

    def wait(self, candidate: Candidate) -> float:
        """Seconds until a candidate may be asked, by its breaker and its provider's keys."""
        now, known = self._monotonic(), self._know(candidate)
        left = known.condition.breaker.wait(now)
        ring = known.provider.keys
        if left <= 0 and ring.at_rest and not known.local:
            provider = self.provider(candidate)
            if provider is not None and len(provider.keys) > 1:
                left = ring.wait(provider.keys, now)
        return left

    def provider(self, candidate: Candidate) -> Provider | None:
        """Its provider, None when it is gone or switched off."""
        try:
            return self._parts.directory.provider(candidate.provider)
        except CorralError:
            return None

    def may_repeat(self, candidate: Candidate) -> bool:
        """Whether the retry budget allows to ask its provider again within this request; taken from it when so."""
        if candidate.local or candidate.provider not in self._asked:
            return True
        return self._parts.health.standing(candidate.provider).budget.retry(self.now)

    async def open(
        self, candidate: Candidate, kind: AttemptKind, put: Callable[[Provider], Question], *, stream: bool
    ) -> Opened:
        """Asks `candidate`, with its other keys too where one is refused or busy. Raises CorralError; then all is settled."""
        provider = self._parts.directory.provider(candidate.provider)
        question = put(provider)
        known = self._know(candidate)
        # An own engine's price is not asked for: its provider would look through all models.
        prices = candidate.price or (_FREE if known.local else provider.prices(candidate.model))
        if self._admit is not None:
            await self._admit(candidate, prices)
        if candidate.provider not in self._asked:
            self._asked.add(candidate.provider)
            known.provider.budget.ask(self._monotonic())
        while True:
            key = self._key(provider, known.provider.keys) if provider.keys else None
            attempt = self._begin(known, prices, kind, question, key)
            try:
                exchange = await self._call(
                    provider, candidate, self._said(known, question, attempt, key, stream=stream)
                )
            except CorralError as error:
                # With another key at once; the last key's failure is the candidate's.
                more = key is not None and self._another_key(provider, key, error)
                more = more or await self._comes_back(candidate, error)
                self.failed(candidate, attempt, error, blame=not more)
                if not more:
                    raise
                kind = "retry"
            except BaseException:
                self.dropped(candidate, attempt)
                raise
            else:
                if stream:
                    self._content(candidate, attempt)
                return Opened(candidate, provider, question, attempt, exchange)

    def _key(self, provider: Provider, ring: KeyRing) -> ProviderKey:
        keys = provider.keys
        key = ring.choose(keys, self._monotonic())
        if key is None:
            wait = max(1.0, ring.wait(keys, self.now))
            raise Unavailable(f"All keys of {provider.name!r} rest.", retry_after=wait)
        return key

    async def _comes_back(self, candidate: Candidate, error: CorralError) -> bool:
        """Waits a moment for an own engine that has just died, and is started again; whether to ask it once more.

        Nobody listening is looked at COMES_BACK times. One that hung up without a word is asked once more only: it may be the
        request that it dies of.
        """
        silent = isinstance(error, UpstreamFailed) and "provider_status" not in (error.details or {})
        most = COMES_BACK if isinstance(error, Unreachable) else 1
        if not candidate.local or not silent or self.left <= 0 or self._waited >= most:
            return False
        self._waited += 1
        await self._parts.clock.sleep(0.1 * 2**self._waited)
        return True

    def _another_key(self, provider: Provider, key: ProviderKey, error: CorralError) -> bool:
        """Lets a key rest that was refused or is busy; whether there is another one to ask with."""
        if len(provider.keys) < 2 or not judging.of_key(error):
            return False
        ring = self._parts.health.standing(provider.name).keys
        seconds = (error.retry_after or REST) if judging.is_busy(error) else REFUSED
        ring.rest(key, self.now, seconds)
        return self.left > 0 and ring.wait(provider.keys, self.now) <= 0

    def _content(self, candidate: Candidate, attempt: Attempt) -> None:
        attempt.first_content = self.now
        self._know(candidate).condition.took(attempt.first_content - attempt.began)
        if self.record.first_content is None:
            self.record.first_content = attempt.first_content

    def answered(self, candidate: Candidate, attempt: Attempt) -> None:
        """It has given a whole answer."""
        attempt.ended, attempt.outcome = self._monotonic(), "completed"
        self._know(candidate).condition.breaker.succeed(attempt.ended)

    def failed(self, candidate: Candidate, attempt: Attempt, error: CorralError, *, blame: bool = True) -> None:
        """It has failed. Without `blame` that says nothing about the candidate. In the middle of an answer being busy is a failure too."""
        now = attempt.ended = self.now
        attempt.outcome, attempt.error, attempt.message = "failed", error.code, error.message[:500]
        condition = self._know(candidate).condition
        verdict = judging.verdict(error, local=candidate.local) if blame else "nothing"
        if verdict == "failure" or (verdict == "rest" and attempt.first_content is not None):
            condition.failed += 1
            condition.breaker.fail(now)
        if verdict == "rest":
            condition.breaker.rest(now, error.retry_after or REST)
        if verdict == "nothing":
            condition.breaker.drop()

    def dropped(self, candidate: Candidate, attempt: Attempt) -> None:
        """The request ended without a word about the candidate."""
        attempt.ended, attempt.outcome = self.now, "cancelled"
        self._know(candidate).condition.breaker.drop()

    def _know(self, candidate: Candidate) -> _Known:
        known = self._known
        if known is None or known.candidate is not candidate:
            health = self._parts.health
            condition, provider = health.of(candidate), health.standing(candidate.provider)
            known = self._known = _Known(candidate, condition, provider, candidate.local)
        return known

    def _begin(
        self, known: _Known, prices: Prices | None, kind: AttemptKind, question: Question, key: ProviderKey | None
    ) -> Attempt:
        now, candidate, condition = self._monotonic(), known.candidate, known.condition
        condition.asked += 1
        condition.breaker.take(now)
        label = key.label if key is not None else ""
        attempt = Attempt(candidate.provider, candidate.model, kind, now, question.dialect, label, prices=prices)
        if self.record.trace is not None:
            attempt.span = new_span_id()
        self.record.attempts.append(attempt)
        return attempt

    def _spills(self, candidate: Candidate) -> bool:
        """Whether others are asked rather than waiting long for this own engine; only the first time."""
        route = self._route
        return route.strategy == "local_first" and len(route.candidates) > 1 and candidate not in self._spilled

    async def _patiently(self, provider: Provider, candidate: Candidate, call: Call) -> Exchange:
        """Asks an own engine, with a bound for the wait. Raises Spilled."""
        route = self._route
        waiting = self._parts.waiting(candidate.model)
        self._spilled.append(candidate)
        if waiting > route.spill_queue:
            raise judging.Spilled(f"{waiting} requests wait for the model {candidate.model!r}.")
        try:
            return await provider.open(call)
        except TooManyRequests as error:
            raise judging.Spilled(error.message) from None

    def _said(
        self, known: _Known, question: Question, attempt: Attempt, key: ProviderKey | None, *, stream: bool
    ) -> Call:
        ask, trace, candidate, local = self._ask, self.record.trace, known.candidate, known.local
        told = trace.child(attempt.span) if trace is not None and trace.told else None
        patience = self._route.spill_after if local and self._spills(candidate) else None
        return Call(
            ask.operation, question.dialect, candidate.model, question.body, stream, key, ask.headers, None, ask.request_id, told,
            partial(self._placed, attempt) if local else None, patience,
        )  # fmt: skip

    def _placed(self, attempt: Attempt) -> None:
        attempt.placed = self._monotonic()

    def _call(self, provider: Provider, candidate: Candidate, call: Call) -> Awaitable[Exchange]:
        """The provider's answer; what is to be awaited is the provider's own, where nothing bounds it."""
        if call.patience is not None:
            return self._patiently(provider, candidate, call)
        stream = call.stream
        limit = self._route.first_content_timeout if stream else None
        if limit is None and stream and not candidate.local:
            limit = FIRST_CONTENT
        total = self.seconds() if self._until is not None else None
        if limit is None and total is None:
            return provider.open(call)
        return self._in_time(provider, candidate, call, min(one for one in (limit, total) if one is not None))

    async def _in_time(self, provider: Provider, candidate: Candidate, call: Call, seconds: float) -> Exchange:
        try:
            async with asyncio.timeout(seconds):
                return await provider.open(call)
        except TimeoutError:
            what = "no content" if call.stream else "no answer"
            raise UpstreamTimeout(f"{candidate.name} gave {what} within {seconds:.0f} s.") from None
