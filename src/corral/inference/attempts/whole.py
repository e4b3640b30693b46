"""A whole answer, by the first candidate that gives one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec

from corral.dialects.form import Usage
from corral.dialects.ports import About
from corral.dialects.registry import DIALECTS
from corral.inference.attempts.asking import Asking
from corral.inference.attempts.candidates import Candidates
from corral.inference.attempts.opening import Opened
from corral.inference.routes.types import Candidate
from corral.inference.tap import read_usage
from corral.inference.types import AttemptKind
from corral.kit.errors import CorralError, UpstreamFailed, UpstreamTimeout


class Whole(NamedTuple):
    """A whole answer in the asker's dialect."""

    body: bytes
    media_type: str


class WholeRun:
    """One request without streaming."""

    def __init__(self, candidates: Candidates, asking: Asking, about: Callable[[], About]) -> None:
        self._candidates = candidates
        self._attempts = candidates.attempts
        self._asking = asking
        self._about = about

    async def reply(self) -> Whole:
        """The answer. Raises CorralError when nobody gives one."""
        record = self._attempts.record
        answer = await self._candidates.first(self._ask)
        record.outcome = "completed"
        return answer

    async def _ask(self, candidate: Candidate, kind: AttemptKind) -> Whole:
        attempts = self._attempts
        opened = await attempts.open(candidate, kind, partial(self._asking.put, candidate), stream=False)
        try:
            answer = await self._read(opened)
        except CorralError as error:
            attempts.failed(candidate, opened.attempt, error)
            raise
        except BaseException:
            attempts.dropped(candidate, opened.attempt)
            raise
        finally:
            opened.exchange.abort()
        attempts.answered(candidate, opened.attempt)
        return answer

    async def _read(self, opened: Opened) -> Whole:
        seconds = self._attempts.seconds()
        if seconds is None:
            body = await opened.exchange.read()
        else:
            try:
                async with asyncio.timeout(seconds):
                    body = await opened.exchange.read()
            except TimeoutError:
                raise UpstreamTimeout("The answer took longer than it may.") from None
        if self._asking.ask.operation == "chat":
            return self._chat(opened, body)
        if not _is_json(body):
            raise UpstreamFailed("The provider answered with what is no JSON.")
        told = read_usage(body)
        opened.attempt.usage = Usage(*told) if told is not None else None
        return Whole(body, opened.exchange.media_type or "application/json")

    def _chat(self, opened: Opened, body: bytes) -> Whole:
        """A chat's answer: untouched where its dialect is the asker's, but read all the same, so that half of one is none."""
        dialect = DIALECTS[opened.question.dialect]
        if opened.question.native:
            opened.attempt.usage = dialect.glance(body)
            return Whole(body, opened.exchange.media_type or "application/json")
        answer = dialect.read_answer(body)
        opened.attempt.usage = answer.usage
        return Whole(DIALECTS[self._asking.ask.dialect].write_answer(answer, self._about()), "application/json")


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
