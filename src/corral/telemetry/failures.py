"""What went wrong lately, in memory: bounded, the same failure once with its count."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_FAILURES = 300
MAX_MESSAGE = 500
MAX_ABOUT = 12


class Failure(NamedTuple):
    """One failure.

    code: that of `kit.errors`, or the name of an exception that is none of ours. where: the operation or the part that failed. at: seconds
    since 1970. about: what it belongs to (turn, agent, model, provider, …). recovery: what was done about it, empty for nothing.
    """

    code: str
    message: str
    where: str
    request: str
    at: float
    about: Mapping[str, str] = {}
    recovery: str = ""


@dataclass(slots=True)
class Noted:
    """A failure as it is kept. `requests`: the last ones that it befell."""

    id: int
    code: str
    message: str
    where: str
    first: float
    last: float
    count: int = 1
    about: dict[str, str] = field(default_factory=dict)
    recovery: str = ""
    requests: list[str] = field(default_factory=list)


class Failures:
    """The list. For one thread."""

    def __init__(self, limit: int = MAX_FAILURES) -> None:
        self._limit = limit
        self._noted: OrderedDict[tuple[str, str, str], Noted] = OrderedDict()
        self._requests: OrderedDict[tuple[str, str], tuple[str, str, str]] = OrderedDict()
        self._count = 0

    def add(self, failure: Failure) -> None:
        """Takes one in. What a failure leads to further up (the same code in the same request) is the same failure."""
        known = self._of_request(failure)
        if known is not None:
            _add_about(known, failure)
            known.last = max(known.last, failure.at)
            known.recovery = known.recovery or failure.recovery
            return
        message = failure.message[:MAX_MESSAGE]
        key = failure.code, failure.where, message
        noted = self._noted.get(key)
        if noted is None:
            self._count += 1
            noted = self._noted[key] = Noted(
                self._count, failure.code, message, failure.where, failure.at, failure.at, recovery=failure.recovery
            )
        else:
            self._noted.move_to_end(key)
            noted.count += 1
            noted.last, noted.recovery = failure.at, failure.recovery
        _add_about(noted, failure)
        if failure.request:
            noted.requests = [*noted.requests[-4:], failure.request]
            self._requests[failure.request, failure.code] = key
            if len(self._requests) > self._limit:
                self._requests.popitem(last=False)
        while len(self._noted) > self._limit:
            self._noted.popitem(last=False)

    def recent(self) -> list[Noted]:
        """All, the latest first."""
        return list(reversed(self._noted.values()))

    def _of_request(self, failure: Failure) -> Noted | None:
        key = self._requests.get((failure.request, failure.code)) if failure.request else None
        return self._noted.get(key) if key is not None else None


def _add_about(noted: Noted, failure: Failure) -> None:
    for key, value in failure.about.items():
        if key in noted.about or len(noted.about) < MAX_ABOUT:
            noted.about[key] = value[:200]
