"""Whose turn it is: from a picture of the moment to orders, as one pure function.

Requests for a model that is in memory gather while another one has its turn, and are answered together; turns have a
least and a longest length, so alternating requests cannot make the engines come and go all the time.
docs/rooms/engines-residency.md has the rules.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from corral.engines.residency import (
    Memory,
    Place,
    Rules,
    Stage,
    exclude,
    never_fits,
    room,
    shortage,
    victims,
)


@dataclass(slots=True)
class Orders:
    """What is to be done now, by the places' keys.

    grant: may load. prepare: those before it are about to be gone. close, reopen: takes no new requests, or does again.
    leave: closed and empty, its process may end. refuse: with the reason. withdraw: nobody waits for it and there is no
    room. look_again: the moment at which time alone changes something, infinite when none does.
    """

    grant: list[str] = field(default_factory=list)
    prepare: list[str] = field(default_factory=list)
    close: list[str] = field(default_factory=list)
    reopen: list[str] = field(default_factory=list)
    leave: list[str] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    withdraw: list[str] = field(default_factory=list)
    look_again: float = math.inf


def turn(place: Place, contenders: int, rules: Rules) -> float:
    """Seconds that a wanted place may keep others waiting: as long as it took to load, within the rules."""
    share = rules.max_wait / (2 * (contenders + 1))
    return max(rules.min_residency, min(place.load_seconds, share))


def may_go_at(place: Place, contenders: int, rules: Rules) -> float:
    """The moment from which it may be closed for others; infinite while it still comes."""
    if place.stage is not Stage.TAKEN:
        return math.inf
    return place.since + (turn(place, contenders, rules) if place.wanted else rules.min_residency)


def idle_until(place: Place) -> float:
    """The moment at which it has idled long enough to end; infinite for one that may stay."""
    if place.pinned or place.wanted or place.stage is not Stage.TAKEN:
        return math.inf
    return place.last_used + place.idle_stop


def decide(now: float, places: Sequence[Place], memory: Memory, rules: Rules) -> Orders:
    """The orders for this moment. Asked again with the same picture it gives the same ones."""
    return _Decision(now, places, memory, rules).made()


class _Decision:
    """The making of one decision.

    `places` changes while it is made: who is granted a place has it, who was told to leave serves nobody else.
    `_room` is free now, `_later` will be once all that leave have left and all that were served have their places.
    """

    def __init__(self, now: float, places: Sequence[Place], memory: Memory, rules: Rules) -> None:
        self._now, self._memory, self._rules = now, memory, rules
        self._places = {place.key: place for place in places}
        self._orders = Orders()
        self._room = room(places, memory)
        self._later = self._room + sum(place.need for place in places if place.stage is Stage.LEAVING)
        self._ahead: list[Place] = []
        self._going: set[str] = set()

    def made(self) -> Orders:
        """All orders."""
        waiting = [place for place in self._places.values() if place.stage is Stage.WAITING]
        waiting.sort(key=lambda place: (place.since, place.key))
        contending = [place for place in waiting if place.waiting]
        for place in contending:
            self._serve(place, len(contending))
        for place in waiting:
            if not place.waiting and not self._grant(place):
                self._orders.withdraw.append(place.key)
        self._rest()
        return self._orders

    def _serve(self, place: Place, contenders: int) -> None:
        reason = never_fits(place, self._all(), self._memory)
        if reason is not None:
            self._orders.refuse[place.key] = reason
        elif not self._grant(place):
            if place.gentle:
                self._orders.refuse[place.key] = "There is no room for it beside the others now."
            else:
                self._make_room(place, contenders)

    def _grant(self, place: Place) -> bool:
        """Gives it a place when there is one beside all others, and nobody before it needs that."""
        others = [one for one in self._all() if one.stage is not Stage.WAITING] + self._ahead
        if any(exclude(place, one) for one in others):
            return False
        if place.need > min(self._room, self._later):
            return False
        if shortage(place.need, self._all(), self._memory) and self._chosen(place):
            return False
        self._room -= place.need
        self._later -= place.need
        self._places[place.key] = replace(place, stage=Stage.COMING)
        self._orders.grant.append(place.key)
        return True

    def _chosen(self, place: Place) -> tuple[Place, ...] | None:
        others = [one for one in self._all() if one.key not in self._going]
        lacking = max(0, place.need - self._later)
        short = shortage(place.need, self._all(), self._memory)
        return victims(place, others, lacking, short)

    def _make_room(self, place: Place, contenders: int) -> None:
        self._ahead.append(place)
        chosen = self._chosen(place) or ()
        self._later += sum(one.need for one in chosen) - place.need
        gone = True
        for one in chosen:
            self._going.add(one.key)
            gone = self._send_away(one, contenders) and gone
        if gone and not self._blocked(place):
            self._orders.prepare.append(place.key)

    def _blocked(self, place: Place) -> bool:
        """Whether it waits for more than those who are about to be gone."""
        about = sum(one.need for one in self._all() if one.stage is Stage.LEAVING or one.key in self._orders.leave)
        return self._later < 0 or place.need > self._room + about

    def _send_away(self, place: Place, contenders: int) -> bool:
        """Closes it once its turn is over; whether it is about to be gone."""
        may_go = may_go_at(place, contenders, self._rules)
        if not place.closed and self._now < may_go:
            self._orders.look_again = min(self._orders.look_again, may_go)
            return False
        return self._close(place)

    def _close(self, place: Place) -> bool:
        if not place.closed:
            self._orders.close.append(place.key)
        if place.running:
            return False
        self._orders.leave.append(place.key)
        return True

    def _rest(self) -> None:
        """Ends what has idled too long, and opens again what nobody waits for any more."""
        for place in self._all():
            if place.stage is not Stage.TAKEN or place.key in self._going:
                continue
            until = idle_until(place)
            if self._now >= until:
                self._close(place)
            else:
                self._orders.look_again = min(self._orders.look_again, until)
                if place.closed:
                    self._orders.reopen.append(place.key)

    def _all(self) -> list[Place]:
        return list(self._places.values())
