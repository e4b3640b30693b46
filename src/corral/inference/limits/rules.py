"""Which limits hold for a request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from corral.inference.limits.policy import nanos
from corral.inference.limits.types import Take
from corral.settings.gateway import LimitEntry

ANY = "*"
_SEEN = 10_000


@dataclass(frozen=True, slots=True)
class Bound:
    """The limits of one subject; None is no limit. Budgets in billionths of a dollar. closed: a model of unknown price is refused."""

    scope: str
    subject: str
    requests: int | None = None
    tokens: int | None = None
    concurrent: int | None = None
    day: int | None = None
    month: int | None = None
    closed: bool = False
    name: str = field(init=False)
    """The beginning of its counters' names."""
    budgeted: bool = field(init=False)
    """Whether it limits money."""
    fixed: tuple[Take, ...] = field(init=False)
    """What every request takes of it, whatever it asks; `again` is what one takes that is under way there already."""
    again: tuple[Take, ...] = field(init=False)
    counter: str = field(init=False)
    """Of its tokens."""

    def __post_init__(self) -> None:
        """Works out what every request asks for."""
        name = f"{self.scope}:{self.subject}"
        takes = () if self.requests is None else (Take(f"{name}/requests", "requests", self.requests, 1, 1),)
        object.__setattr__(self, "again", takes)
        if self.concurrent is not None:
            takes = (*takes, Take(f"{name}/concurrent", "concurrent", self.concurrent, 1, 1))
        object.__setattr__(self, "fixed", takes)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "counter", f"{name}/tokens")
        object.__setattr__(self, "budgeted", self.day is not None or self.month is not None)


_MEASURES = ("requests", "tokens", "concurrent", "day", "month")


class Rulebook:
    """All limits that are switched on, ready to be asked for every request.

    What is said of one subject goes before what is said of each (`*`), limit by limit; of two that say the same of the same, the
    lower one holds.
    """

    __slots__ = ("_any", "_exact", "_seen", "empty", "money", "names")

    def __init__(self, entries: Iterable[LimitEntry] = ()) -> None:
        self._any: dict[str, Bound] = {}
        self._exact: dict[tuple[str, str], Bound] = {}
        self._seen: dict[tuple[str, str], Bound] = {}
        """Of those that the limits of each hold for, some that asked lately."""
        for entry in entries:
            if not entry.enabled:
                continue
            bound = _bound(entry)
            if entry.subject == ANY:
                self._any[entry.scope] = _lower(self._any.get(entry.scope), bound)
            else:
                place = (entry.scope, entry.subject)
                self._exact[place] = _lower(self._exact.get(place), bound)
        for (scope, subject), bound in list(self._exact.items()):
            if scope in self._any:
                self._exact[scope, subject] = _over(bound, self._any[scope])
        self.names = {scope for scope, _ in self._exact} | set(self._any)
        self.empty = not self.names
        self.money = any(bound.budgeted for bound in (*self._any.values(), *self._exact.values()))
        """Whether any of them limits money."""

    def find(self, scope: str, subject: str) -> Bound | None:
        """The limits of `subject`, None for none."""
        if scope not in self.names:
            return None
        found = self._exact.get((scope, subject))
        if found is not None:
            return found
        each = self._any.get(scope)
        if each is None or not subject:
            return None
        bound = self._seen.get((scope, subject))
        if bound is None:
            bound = replace(each, subject=subject)
            if len(self._seen) >= _SEEN:
                self._seen.clear()
            self._seen[scope, subject] = bound
        return bound


def _bound(entry: LimitEntry) -> Bound:
    return Bound(
        entry.scope, entry.subject, entry.requests_per_minute, entry.tokens_per_minute, entry.concurrent,
        None if entry.budget_day is None else nanos(entry.budget_day),
        None if entry.budget_month is None else nanos(entry.budget_month),
        entry.unknown_price == "refuse",
    )  # fmt: skip


def _lower(one: Bound | None, other: Bound) -> Bound:
    if one is None:
        return other
    least = {}
    for name in _MEASURES:
        told = [value for value in (getattr(one, name), getattr(other, name)) if value is not None]
        least[name] = min(told) if told else None
    return Bound(one.scope, one.subject, **least, closed=one.closed or other.closed)


def _over(one: Bound, other: Bound) -> Bound:
    known = {name: getattr(one, name) for name in _MEASURES}
    merged = {name: getattr(other, name) if value is None else value for name, value in known.items()}
    closed = one.closed if one.budgeted else other.closed
    return Bound(one.scope, one.subject, **merged, closed=closed)
