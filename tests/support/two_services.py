"""Two scripted services behind a route, the answer that both give when all is well, and what a client reads of it."""

from __future__ import annotations

from typing import Any

from corral.kit.errors import CorralError
from corral.kit.http import Timeouts
from tests.support.inference import provider_of, read, route
from tests.support.providers import FakeProvider

TOKENS = [f"word{number} " for number in range(60)]
TEXT = "".join(TOKENS)
WELL = {"tokens": TOKENS, "usage": {"prompt": 7, "completion": 60}}
QUICK = Timeouts(connect=30.0, head=60.0, idle=3.0)
ROUTE = route("r", ("openai", "gpt"), ("anthropic", "claude"))
BACK = route("b", ("anthropic", "claude"), ("openai", "gpt"))


def both(openai: FakeProvider, anthropic: FakeProvider) -> dict[str, Any]:
    """The providers of both; what is silent for 3 s has stalled."""
    return {
        "openai": provider_of(openai, timeouts=QUICK),
        "anthropic": provider_of(anthropic, timeouts=QUICK),
    }


def failed(dialect: str, stream: bytes) -> CorralError | None:
    """The error that a client reads, None for a whole answer."""
    try:
        read(dialect, stream)
    except CorralError as error:
        return error
    return None
