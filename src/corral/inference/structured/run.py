"""An answer that is looked at before anybody sees it, and asked for again while it is not in its form."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from copy import copy
from functools import partial
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from corral.dialects.form import Answer, ChatEvent, Finished, Usage
from corral.dialects.gathering import Gathering, scatter
from corral.dialects.ports import About
from corral.dialects.registry import DIALECTS
from corral.inference.attempts.asking import Question
from corral.inference.attempts.candidates import Candidates
from corral.inference.attempts.opening import Opened
from corral.inference.outlets import Outlet
from corral.inference.routes.types import Candidate
from corral.inference.structured.asking import StructuredAsking, native
from corral.inference.structured.outlets import invalid
from corral.inference.structured.wanting import REPAIRS, Wanted, examine
from corral.inference.types import AttemptKind, Reply, add
from corral.kit.errors import (
    ContentFiltered,
    ContextExceeded,
    CorralError,
    InvalidRequest,
    UpstreamFailed,
    UpstreamTimeout,
)
from corral.providers.types import MAX_ANSWER, Provider

T = TypeVar("T")
BYTES_A_TOKEN = 4


class _Said(NamedTuple):
    """A whole answer of a candidate. `body`: its bytes, when they are in the asker's own dialect."""

    candidate: Candidate
    answer: Answer
    body: bytes | None


class StructuredRun:
    """One request for an answer of a form. `about` tells a writer of answers what it has to know."""

    def __init__(
        self, candidates: Candidates, asking: StructuredAsking, wanted: Wanted, about: Callable[[], About]
    ) -> None:
        self._candidates = candidates
        self._attempts = candidates.attempts
        self._record = candidates.attempts.record
        self._asking = asking
        self._wanted = wanted
        self._about = about
        self._repairs = 0

    def passes(self) -> bool:
        """Whether a stream may pass on as it comes: all who may answer keep to the form by themselves, or nobody wants it
        repaired, or the client has the beginning of it already."""
        if self._wanted.before or (self._wanted.tool and self._wanted.repairs is None):
            return True
        if self._wanted.repairs is not None:
            return self._wanted.repairs == 0
        providers = [(self._attempts.provider(one), one.model) for one in self._candidates.order]
        return all(one is not None and native(one, model, self._wanted) for one, model in providers)

    async def reply(self) -> Reply:
        """The answer in the asker's dialect. Raises OutputInvalid when it does not come to be in its form, CorralError when there is none."""
        said = await self._fitting()
        if said.body is not None:
            return Reply(said.body)
        return Reply(DIALECTS[self._asking.ask.dialect].write_answer(said.answer, self._about()))

    async def pieces(self, outlet: Outlet[T]) -> AsyncGenerator[T, None]:
        """The answer, told at once when it is whole and in its form. Raises as `reply`."""
        said = await self._fitting()
        self._record.relayed = 1
        events = [event for event in scatter(said.answer) if not isinstance(event, Usage)]
        usage: list[ChatEvent] = [said.answer.usage] if said.answer.usage is not None else []
        place = next((index for index, event in enumerate(events) if isinstance(event, Finished)), len(events))
        yield outlet.write([*events[:place], *usage, *events[place:]])
        yield outlet.end()

    async def _fitting(self) -> _Said:
        self._asking.whole = True
        candidates, most = self._candidates, REPAIRS if self._wanted.repairs is None else self._wanted.repairs
        said = await candidates.first(self._ask)
        while True:
            found = examine(said.answer, self._wanted)
            if not found.problems:
                self._record.outcome = "completed"
                self._record.structured = "repaired" if self._repairs else "extracted" if found.changed else "valid"
                if found.changed or self._repairs:
                    return said._replace(answer=self._with_usage(found.answer), body=None)
                return said
            error = invalid(found.problems, found.text, self._repairs)
            if self._repairs >= most or not self._can_repair(said.answer):
                raise error
            self._asking.repair(said.answer, found.text, found.problems)
            self._repairs += 1
            try:
                said = await self._turned(said.candidate).first(self._ask)
            except CorralError as failure:
                # What is wrong with the answer is what the client has to know; that it cannot be mended just now comes second.
                more = f" It could not be asked for again: {failure.message}"
                raise invalid(found.problems, found.text, self._repairs, more) from failure

    def _can_repair(self, answer: Answer) -> bool:
        attempts = self._attempts
        left = attempts.seconds()
        enough = attempts.left > 0 and (left is None or left > 0)
        # Of several choices, and of the rest of an answer, nothing can be said that makes them fit.
        return enough and len(answer.choices) == 1 and not self._wanted.before

    def _turned(self, candidate: Candidate) -> Candidates:
        """Who is asked again: the one that answered, and after that the others first."""
        others = [one for one in self._candidates.order if one != candidate]
        order = [candidate, *others] if self._repairs == 1 else [*others, candidate]
        turned = copy(self._candidates)
        turned.order = order
        return turned

    def _with_usage(self, answer: Answer) -> Answer:
        """With the tokens of all attempts."""
        return replace(answer, usage=add([one.usage for one in self._record.attempts if one.usage is not None]))

    # one attempt

    async def _ask(self, candidate: Candidate, kind: AttemptKind) -> _Said:
        kind = "repair" if self._repairs and kind == "first" else kind
        put = partial(self._asking.put, candidate)
        try:
            return await self._answer(candidate, kind, put)
        except (ContextExceeded, ContentFiltered):
            raise
        except InvalidRequest:
            provider = self._attempts.provider(candidate)
            if provider is None or self._attempts.left <= 0 or not self._asking.has_words(candidate, provider):
                raise
            # It may be the form that it does not know.
            return await self._answer(candidate, "retry", partial(self._asking.in_words, candidate))

    async def _answer(self, candidate: Candidate, kind: AttemptKind, put: Callable[[Provider], Question]) -> _Said:
        attempts, stream = self._attempts, self._asking.ask.stream
        opened = await attempts.open(candidate, kind, put, stream=stream)
        gathering = Gathering()
        try:
            said = await self._within(self._streamed(opened, gathering) if stream else self._whole(opened, gathering))
        except CorralError as error:
            self._estimate(opened, gathering)
            attempts.failed(candidate, opened.attempt, error)
            raise
        except BaseException:
            self._estimate(opened, gathering)
            attempts.dropped(candidate, opened.attempt)
            raise
        finally:
            opened.exchange.abort()
        attempts.answered(candidate, opened.attempt)
        return said

    async def _within(self, work: Awaitable[T]) -> T:
        seconds = self._attempts.seconds()
        try:
            async with asyncio.timeout(seconds):
                return await work
        except TimeoutError:
            raise UpstreamTimeout("The answer took longer than it may.") from None

    async def _whole(self, opened: Opened, gathering: Gathering) -> _Said:
        body = await opened.exchange.read()
        answer = DIALECTS[opened.question.dialect].read_answer(body)
        opened.attempt.usage = answer.usage
        if opened.question.native:
            return _Said(opened.candidate, answer, body)
        return _Said(opened.candidate, self._asking.as_said(answer), None)

    async def _streamed(self, opened: Opened, gathering: Gathering) -> _Said:
        reader, size = DIALECTS[opened.question.dialect].reader(), 0
        async for chunk in opened.exchange.chunks():
            size += len(chunk)
            if size > MAX_ANSWER:
                raise UpstreamFailed("The provider's answer is too long to be held back.")
            for event in reader.feed(chunk):
                gathering.add(event)
            if reader.done:
                break
        for event in reader.end():
            gathering.add(event)
        answer = gathering.answer()
        opened.attempt.usage = answer.usage
        return _Said(opened.candidate, self._asking.as_said(answer), None)

    @staticmethod
    def _estimate(opened: Opened, gathering: Gathering) -> None:
        """What an answer may have used that did not come to its end."""
        parts = gathering.parts()
        if opened.attempt.usage is None and parts:
            told = sum(len(getattr(part, "text", "") or getattr(part, "arguments", "")) for part in parts)
            opened.attempt.estimated = True
            opened.attempt.usage = Usage(len(opened.question.body) // BYTES_A_TOKEN + 1, told // BYTES_A_TOKEN + 1)
