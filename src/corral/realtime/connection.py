"""One open socket: who it speaks for, what it follows, and how much may wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from corral.accounts.service import Accounts
from corral.accounts.types import Principal


@dataclass(frozen=True, slots=True)
class Following:
    """A turn that a socket follows, from an offset on."""

    agent_id: str
    turn_id: str
    start: int


@dataclass(eq=False, slots=True)
class Connection:
    """An open socket. `session` names it when it comes back; `abort` ends its transport at once."""

    sid: str
    session: str
    accounts: Accounts
    headers: Mapping[str, str]
    user_id: str | None
    abort: Callable[[], None]
    waiting: Callable[[], int]
    send: Callable[[str, object], Awaitable[None]]
    following: dict[str, Following] = field(default_factory=dict)
    pumps: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    in_flight: int = 0
    endings: list[Callable[[], object]] = field(default_factory=list)
    """Called once when the socket is lost."""

    def principal(self) -> Principal:
        """Who is calling, asked anew each time: a right that was taken away counts at once. Raises CorralError."""
        return self.accounts.as_user(self.accounts.authenticate(self.headers), self.user_id)
