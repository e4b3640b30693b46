"""What fits into memory, and who has to leave for whom, as pure functions over a picture of all places."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """How far a place is."""

    WAITING = "waiting"
    COMING = "coming"
    TAKEN = "taken"
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True)
class Place:
    """The memory of one engine, or the wish for it. Times are monotonic seconds, sizes bytes.

    need: what it takes or will take. used: what was measured. since: when it began to wait (WAITING), or when it became
    ready (TAKEN). waiting, running: requests for it. closed: it takes no more requests for now. gentle: it may not
    make others leave. group: models of one group exclude each other. last_used: when its last answer ended. idle_stop: how
    long it may idle.
    """

    key: str
    model: str
    need: int
    stage: Stage
    since: float
    used: int = 0
    waiting: int = 0
    running: int = 0
    closed: bool = False
    pinned: bool = False
    gentle: bool = False
    group: str | None = None
    last_used: float = 0.0
    load_seconds: float = 0.0
    idle_stop: float = math.inf

    @property
    def wanted(self) -> bool:
        """Whether there are requests for it."""
        return self.waiting > 0 or self.running > 0


@dataclass(frozen=True, slots=True)
class Memory:
    """`limit` is the budget of all engines; `available` what the machine could give now, None when nobody knows."""

    limit: int
    available: int | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """See docs/rooms/engines-residency.md. Times in seconds."""

    min_residency: float = 1.0
    max_wait: float = 300.0


def exclude(one: Place, other: Place) -> bool:
    """Whether two engines may not run at the same time."""
    return one.group is not None and one.group == other.group and one.model != other.model


def room(places: Iterable[Place], memory: Memory) -> int:
    """Bytes of the budget that nobody has or is about to have."""
    return memory.limit - sum(place.need for place in places if place.stage is not Stage.WAITING)


def shortage(need: int, places: Iterable[Place], memory: Memory) -> int:
    """Bytes by which the machine falls short of `need` just now, whatever the budget says."""
    if memory.available is None:
        return 0
    coming = sum(max(0, place.need - place.used) for place in places if place.stage is Stage.COMING)
    return max(0, need + coming - memory.available)


def never_fits(wanted: Place, places: Sequence[Place], memory: Memory) -> str | None:
    """Why there can never be room for `wanted`, None when there can."""
    if wanted.need > memory.limit:
        return (
            f"It needs {show(wanted.need)} and all engines together may use {show(memory.limit)}. "
            "Choose a shorter context, fewer slots or a smaller model, or raise memory_budget."
        )
    stay = [place for place in places if place.pinned and place.stage in (Stage.TAKEN, Stage.COMING)]
    stay = [place for place in stay if place.model != wanted.model]
    for place in stay:
        if exclude(wanted, place):
            return f"{place.model!r} is pinned, and its group excludes this model. Unpin it or stop it."
    pinned = sum(place.need for place in stay)
    if wanted.need > memory.limit - pinned:
        return (
            f"It needs {show(wanted.need)}; of the {show(memory.limit)} for engines, pinned models keep {show(pinned)}. "
            "Unpin one, or raise memory_budget."
        )
    return None


def may_leave(place: Place, wanted: Place) -> bool:
    """Whether `place` could be asked to leave for `wanted` some time."""
    return place.stage in (Stage.TAKEN, Stage.COMING) and not place.pinned and place.model != wanted.model


def leaving_order(place: Place) -> tuple[bool, bool, bool, float, str]:
    """Sorts those who may leave: closed ones first, then those without requests, the least recently used first."""
    return (not place.closed, place.stage is Stage.COMING, place.wanted, place.last_used, place.key)


def victims(wanted: Place, places: Sequence[Place], lacking: int, short: int) -> tuple[Place, ...] | None:
    """The fewest that have to leave for `wanted`, None when all together do not suffice.

    `lacking` bytes of the budget must become free. `short` bytes should become free in the machine; for those only
    places without requests leave, and if they do not suffice it is tried anyway. Models that exclude each other leave
    whatever the memory.
    """
    candidates = sorted((place for place in places if may_leave(place, wanted)), key=leaving_order)
    chosen = [place for place in candidates if exclude(wanted, place)]
    others = [place for place in candidates if place not in chosen]
    for place in others:
        if sum(one.need for one in chosen) >= lacking:
            break
        chosen.append(place)
    if sum(one.need for one in chosen) < lacking:
        return None
    for place in others:
        if sum(one.used or one.need for one in chosen) >= short:
            break
        if place not in chosen and not place.wanted and place.stage is Stage.TAKEN:
            chosen.append(place)
    return _pruned(chosen, wanted, lacking, short)


def _pruned(chosen: list[Place], wanted: Place, lacking: int, short: int) -> tuple[Place, ...]:
    """Without those that a larger one, chosen later, has made superfluous; the last chosen are the most precious."""
    for place in reversed(chosen[:-1]):
        left = [one for one in chosen if one is not place]
        enough = sum(one.need for one in left) >= lacking and sum(one.used or one.need for one in left) >= short
        if enough and not exclude(wanted, place):
            chosen = left
    return tuple(chosen)


def show(size: int) -> str:
    """A size for people."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
