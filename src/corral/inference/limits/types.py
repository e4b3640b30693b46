"""What limits count, and what they are kept in.

Amounts are integers: requests, tokens, requests under way, and money in billionths of a US dollar (`NANOS` to the dollar), so
that sums are exact in every store.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

WINDOW = 60
"""Seconds that the requests and tokens of a minute are counted over."""

Measure = Literal["requests", "tokens", "concurrent", "budget"]
Period = Literal["day", "month"]


class _Value(msgspec.Struct, frozen=True, gc=False):
    """Several are made for every request: nothing of them can lead back to itself, so the collector need not look at them."""


class Budget(_Value, frozen=True, gc=False, cache_hash=True):
    """Which budget, and for which time: `start` and `end` in milliseconds since 1970, UTC."""

    scope: str
    subject: str
    period: Period
    start: int
    end: int

    @property
    def counter(self) -> str:
        """The name of its counter in every store."""
        return f"{self.scope}:{self.subject}/{self.period}/{self.start}"

    def like(self, other: Budget) -> bool:
        """Whether it is the same budget, be it of another day."""
        return (self.scope, self.subject, self.period) == (other.scope, other.subject, other.period)


class Take(_Value, frozen=True, gc=False):
    """What a request wants of one counter.

    It is let in while `used + least <= limit`; then it gets `amount`, or what is left when that is less. `counter` names the
    counter in every store; that of a budget has its period in it.
    """

    counter: str
    measure: Measure
    limit: int
    amount: int
    least: int
    budget: Budget | None = None


class Held(_Value, frozen=True, gc=False):
    """What was taken, and how its counter stood then: `remaining`, and `reset` in how many seconds all of it is free again.

    at: the second of a window it was counted in. local: it is not in the shared store.
    """

    take: Take
    amount: int
    remaining: int = 0
    reset: float = 0.0
    at: int = 0
    local: bool = False


class Taking(_Value, frozen=True, gc=False):
    """The answer to a request: all that it wanted is held, or nothing and `refused` tells of the counter in the way.

    retry_after: seconds until the refused counter has room for it, as far as is known.
    """

    held: tuple[Held, ...]
    refused: Held | None = None
    retry_after: float = 0.0


class Spent(_Value, frozen=True, gc=False):
    """What was really used of all that is held here: so many tokens where tokens are, so much money where money is. A place among
    the requests at once is free again, and a request that was counted stays so."""

    held: Sequence[Held]
    tokens: int
    money: int


class Ledger(Protocol):
    """Where counters are kept: in memory, or in Redis where several servers share them."""

    async def start(self) -> None:
        """Begins what runs beside requests."""
        ...

    def take_now(self, takes: Sequence[Take]) -> Taking | None:
        """What `take` would give, where nobody has to wait for that; None where it has to be asked."""
        ...

    async def take(self, owner: str, takes: Sequence[Take]) -> Taking:
        """All of `takes` for the request `owner` (an id that is used once), or nothing. Never raises for a store that is away."""
        ...

    def settle(self, owner: str, spent: Sequence[Spent]) -> None:
        """What `owner` really used. Never blocks."""
        ...

    def seed(self, budget: Take, spent: int) -> None:
        """At least so much of a budget is spent: what was written down before a restart."""
        ...

    async def stop(self) -> None:
        """Finishes what was settled and ends."""
        ...
