"""A whole answer, by the first candidate that gives one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from corral.dialects.form import Usage
from corral.dialects.ports import About
from corral.dialects.registry import DIALECTS
from corral.inference.attempts.asking import Asking
from corral.inference.attempts.candidates import Candidates
from corral.inference.attempts.opening import Opened
from corral.inference.routes.types import Candidate
from corral.inference.tap import read_usage
from corral.inference.types import AttemptKind, Reply
from corral.kit.errors import CorralError, UpstreamFailed, UpstreamTimeout
from corral.providers.types import Exchange

_JSON = "application/json"


class WholeRun(msgspec.Struct, frozen=True):
    """One request without streaming. `about` tells a writer of answers what it has to know."""

    candidates: Candidates
    asking: Asking
    about: Callable[[], About]

    def reply(self) -> Awaitable[Reply]:
        """The answer, in the asker's dialect. Raises CorralError when nobody gives one."""
        return self.candidates.first(self._ask)

    async def _ask(self, candidate: Candidate, kind: AttemptKind) -> Reply:
        attempts = self.candidates.attempts
        opened = await attempts.open(candidate, kind, partial(self.asking.put, candidate), stream=False)
        try:
            body = opened.exchange.whole
            reply = self._read(opened, body if body is not None else await self._body(opened.exchange))
        except CorralError as error:
            attempts.failed(candidate, opened.attempt, error)
            raise
        except BaseException:
            attempts.dropped(candidate, opened.attempt)
            raise
        finally:
            opened.exchange.abort()
        attempts.answered(candidate, opened.attempt)
        attempts.record.outcome = "completed"
        return reply

    def _body(self, exchange: Exchange) -> Awaitable[bytes]:
        seconds = self.candidates.attempts.seconds()
        return exchange.read() if seconds is None else _in_time(exchange, seconds)

    def _read(self, opened: Opened, body: bytes) -> Reply:
        """What is answered: untouched where its dialect is the asker's, but read all the same, so that half of one is none."""
        if self.asking.ask.operation != "chat":
            if not _is_json(body):
                raise UpstreamFailed("The provider answered with what is no JSON.")
            told = read_usage(body)
            opened.attempt.usage = Usage(*told) if told is not None else None
            return Reply(body, opened.exchange.media_type or _JSON)
        dialect = DIALECTS[opened.question.dialect]
        if opened.question.native:
            opened.attempt.usage = dialect.glance(body)
            return Reply(body, opened.exchange.media_type or _JSON)
        answer = dialect.read_answer(body)
        opened.attempt.usage = answer.usage
        return Reply(DIALECTS[self.asking.ask.dialect].write_answer(answer, self.about()), _JSON)


async def _in_time(exchange: Exchange, seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            return await exchange.read()
    except TimeoutError:
        raise UpstreamTimeout("The answer took longer than it may.") from None


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
