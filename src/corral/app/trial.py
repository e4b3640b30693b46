"""Trying a route: one question, asked as a client would, and all that came of it."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from corral.accounts.types import Principal
from corral.dialects.form import ChatRequest, TextDelta, Usage, text_message
from corral.dialects.registry import DIALECTS
from corral.inference import Inference
from corral.inference.types import Ask, Attempt, Record
from corral.kit.clock import Clock
from corral.kit.errors import CorralError, ModelNotFound
from corral.kit.ids import new_id

LONGEST = 20_000
"""Characters of the answer that are shown."""
_DIALECT = "openai_chat"


@dataclass(slots=True)
class _Came:
    """What came of a trial so far."""

    text: str = ""
    usage: Usage | None = None
    first: float | None = None
    error: CorralError | None = None
    record: Record | None = None
    began: float = 0.0
    ended: float = field(default=0.0)


class Trial:
    """Fills `TryRoute` of the doors. It learns of the attempts as `Recorder` of inference, by the request's id."""

    def __init__(self, inference: Inference, clock: Clock) -> None:
        self._inference = inference
        self._clock = clock
        self._running: dict[str, _Came] = {}

    def record(self, record: Record) -> None:
        """See `inference.ports.Recorder`."""
        came = self._running.get(record.ask.request_id) if self._running else None
        if came is not None:
            came.record = record

    async def __call__(self, principal: Principal, name: str, message: str, max_tokens: int) -> dict[str, Any]:
        """See `TryRoute`. Raises ModelNotFound."""
        request = ChatRequest(
            name, (text_message("user", message),), stream=True, include_usage=True, max_tokens=max_tokens
        )
        body = DIALECTS[_DIALECT].write_request(request, name).body
        ask = Ask("chat", _DIALECT, name, body, stream=True, request_id=new_id("try"))
        came = self._running[ask.request_id] = _Came(began=self._clock.monotonic())
        try:
            await self._ask(principal, ask, came)
        except ModelNotFound as error:
            if came.record is None:
                raise
            came.error = error
        except CorralError as error:
            came.error = error
        finally:
            del self._running[ask.request_id]
        came.ended = self._clock.monotonic()
        return _told(came)

    async def _ask(self, principal: Principal, ask: Ask, came: _Came) -> None:
        reader = DIALECTS[_DIALECT].reader()
        async with aclosing(await self._inference.stream(principal, ask)) as pieces:
            async for piece in pieces:
                for event in reader.feed(piece):
                    if isinstance(event, Usage):
                        came.usage = event
                    elif isinstance(event, TextDelta):
                        came.text = (came.text + event.text)[:LONGEST]
                    if came.first is None:
                        came.first = self._clock.monotonic()
            reader.end()


def _told(came: _Came) -> dict[str, Any]:
    record, usage, error = came.record, came.usage, came.error
    by = record.answered_by if record is not None else None
    return {
        "ok": error is None,
        "text": came.text,
        "provider": by.provider if by is not None else None,
        "model": by.model if by is not None else None,
        "ms": _ms(came.began, came.ended),
        "firstContentMs": _ms(came.began, came.first),
        "usage": {"promptTokens": usage.prompt_tokens, "completionTokens": usage.completion_tokens} if usage else None,
        "attempts": [_attempt(one) for one in record.attempts] if record is not None else [],
        "error": {"code": error.code, "message": error.message} if error is not None else None,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "provider": attempt.provider,
        "model": attempt.model,
        "kind": attempt.kind,
        "outcome": attempt.outcome,
        "error": attempt.error,
        "message": attempt.message,
        "ms": _ms(attempt.began, attempt.ended),
        "firstContentMs": _ms(attempt.began, attempt.first_content),
    }


def _ms(began: float, ended: float | None) -> float | None:
    return round((ended - began) * 1000, 1) if ended is not None else None
