"""Which limits hold for a request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from corral.inference.limits.types import Period, Take
from corral.inference.money import nanos
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
    budgets: tuple[tuple[Period, int], ...] = field(init=False)
    """That of the day and that of the month, those that there are."""
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
        periods: tuple[tuple[Period, int | None], ...] = (("day", self.day), ("month", self.month))
        budgets = tuple((period, limit) for period, limit in periods if limit is not None)
        object.__setattr__(self, "budgets", budgets)
        object.__setattr__(self, "budgeted", bool(budgets))


@dataclass(frozen=True, slots=True)
class Plan:
    """The limits that hold together for requests of one kind. fixed: what each of these takes, whatever it asks. counted and
    budgeted: those that limit tokens and money. closed: one of them refuses what has no price."""

    bounds: tuple[Bound, ...] = ()
    fixed: tuple[Take, ...] = field(init=False)
    counted: tuple[Bound, ...] = field(init=False)
    budgeted: tuple[Bound, ...] = field(init=False)
    closed: bool = field(init=False)

    def __post_init__(self) -> None:
        """Works out the rest."""
        bounds = self.bounds
        object.__setattr__(self, "fixed", tuple(take for bound in bounds for take in bound.fixed))
        object.__setattr__(self, "counted", tuple(bound for bound in bounds if bound.tokens is not None))
        object.__setattr__(self, "budgeted", tuple(bound for bound in bounds if bound.budgeted))
        object.__setattr__(self, "closed", any(bound.closed for bound in self.budgeted))


Place = tuple[str, str]
"""A provider and its model, empty for all of its models."""

_MEASURES = ("requests", "tokens", "concurrent", "day", "month")


class Rulebook:
    """All limits that are switched on, ready to be asked for every request.

    What is said of one subject goes before what is said of each (`*`), limit by limit; of two that say the same of the same, the
    lower one holds.
    """

    __slots__ = ("_any", "_beyond", "_exact", "_plans", "_seen", "empty", "measured", "money", "names")

    def __init__(self, entries: Iterable[LimitEntry] = ()) -> None:
        self._any: dict[str, Bound] = {}
        self._exact: dict[tuple[str, str], Bound] = {}
        self._seen: dict[tuple[str, str], Bound] = {}
        """Of those that the limits of each hold for, some that asked lately."""
        self._plans: dict[tuple[str, str, str], Plan] = {}
        self._beyond: dict[tuple[str, str, str], tuple[tuple[Bound, Place], ...]] = {}
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
        self.measured = self.money or any(
            bound.tokens is not None for bound in (*self._any.values(), *self._exact.values())
        )
        """Whether any of them depends on how long a request and its answer are."""

    def plan(self, key_id: str, user_id: str, route: str) -> Plan:
        """What holds for the requests of a key and a user for a route, whoever answers them."""
        found = self._plans.get((key_id, user_id, route))
        if found is None:
            subjects = (("all", ""), ("key", key_id), ("user", user_id), ("model", route))
            bounds = (self.find(scope, subject) for scope, subject in subjects)
            found = Plan(tuple(bound for bound in bounds if bound is not None))
            if len(self._plans) >= _SEEN:
                self._plans.clear()
            self._plans[key_id, user_id, route] = found
        return found

    def beyond(self, provider: str, model: str, route: str) -> tuple[tuple[Bound, Place], ...]:
        """The limits of a candidate's provider and of itself, unless its requests stand under these by their route already."""
        found = self._beyond.get((provider, model, route))
        if found is None:
            name = f"{provider}/{model}"
            told = [(self.find("provider", provider), (provider, ""))]
            if name != route:
                told.append((self.find("model", name), (provider, model)))
            found = tuple((bound, place) for bound, place in told if bound is not None)
            if len(self._beyond) >= _SEEN:
                self._beyond.clear()
            self._beyond[provider, model, route] = found
        return found

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
