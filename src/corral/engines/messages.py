"""What is put into the mailbox of an engine's owner: wishes from outside, and news of what was started."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from corral.engines.lease import Lease
from corral.engines.starting import Up
from corral.engines.types import EngineProblem, EngineSpec
from corral.kit.context import request_id


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Wanted: a ready engine. `by_user` also ends a rest after failures. Who `wants` a lease may get it as the answer;
    it is then for the request that the wish was made in."""

    done: asyncio.Future[Lease | None]
    wants: bool
    by_user: bool
    request: str = field(default_factory=request_id.get)


@dataclass(frozen=True, slots=True, eq=False)
class Nudge:
    """It would be good to have it, if nobody has to leave for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Stop:
    """Wanted: no engine."""

    done: asyncio.Future[None]


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The steward lets requests in again."""


@dataclass(frozen=True, slots=True, eq=False)
class Leave:
    """The steward gives its place to another one; `up` is closed and has no requests."""

    up: Up


@dataclass(frozen=True, slots=True, eq=False)
class Withdraw:
    """The steward has no place for the start that is under way, and nobody waits for it."""

    task: asyncio.Task[Up | EngineProblem]


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Wanted: an engine with other settings, or else again one with those that it has."""

    spec: EngineSpec
    done: asyncio.Future[None]


@dataclass(frozen=True, slots=True, eq=False)
class Brought:
    """A try to start has ended."""

    task: asyncio.Task[Up | EngineProblem]


@dataclass(frozen=True, slots=True, eq=False)
class Lost:
    """A ready engine is no more."""

    up: Up
    problem: EngineProblem


@dataclass(frozen=True, slots=True, eq=False)
class Rested:
    """The pause before a restart is over."""

    task: asyncio.Task[None]


Wish = Start | Nudge | Stop | Opened | Change
WISHES = (Start, Nudge, Stop, Opened, Change)
News = Leave | Withdraw | Brought | Lost | Rested
Message = Wish | News
