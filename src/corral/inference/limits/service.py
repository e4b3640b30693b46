"""Lets requests in and settles what they used. Fills `Gatekeeper` of inference."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count

import msgspec

from corral.accounts.types import Principal
from corral.inference.facts import Expectations, facts_of, text_size
from corral.inference.limits.book import BudgetBook
from corral.inference.limits.policy import Calendar, headers
from corral.inference.limits.refusing import refusal, unknown_price
from corral.inference.limits.rules import Bound, Plan, Rulebook
from corral.inference.limits.types import Budget, Held, Ledger, Spent, Take, Taking
from corral.inference.money import nanos, nanos_of
from corral.inference.ports import Reservation
from corral.inference.routes.types import Candidate, RouteSpec
from corral.inference.types import Ask, Attempt, Record
from corral.kit.clock import Clock
from corral.kit.errors import CorralError
from corral.kit.tasks import Tasks
from corral.providers.types import Prices
from corral.settings.gateway import LimitEntry
from corral.telemetry import get_logger

PriceOf = Callable[[Candidate], Prices | None]
"""What a candidate costs, as far as is known."""
_FREE = Prices(0.0, 0.0)
_NONE = Plan()
_NO_COST = 0, 0
Place = tuple[str, str] | None
"""The provider and its model (empty for all of its models) that something is held for; None for the whole request."""
_RESEED = 60.0
_ROUTES = 2000

_log = get_logger("corral.limits")


class Ticket(msgspec.Struct):
    """What a request was let in with; fills `Reservation`.

    held: what it holds whoever answers it; `admitted`: what it holds for those that it was admitted to, each with its place.
    least: tokens of the answer that there must be room for at least. known, text: what its prompt was estimated by. owner: its name where a store is asked, empty before.
    """

    ask: Ask
    route: RouteSpec
    plan: Plan = _NONE
    owner: str = ""
    held: tuple[Held, ...] = ()
    admitted: tuple[Held, ...] = ()
    places: list[Place] = []
    prompt: int = 0
    answer: int = 0
    least: int = 0
    known: Expectations | None = None
    text: tuple[int, int] | None = None
    providers: list[str] = []
    settled: bool = False

    @property
    def headers(self) -> Mapping[str, str]:
        """See `Reservation.headers`."""
        return headers(self.held)


class Limits:
    """The gatekeeper.

    Args:
        price: what a candidate costs.
        book: where spent money is written down; None where it need not outlive the server.
    """

    def __init__(self, ledger: Ledger, clock: Clock, price: PriceOf, book: BudgetBook | None = None) -> None:
        self._ledger = ledger
        self._clock = clock
        self._price = price
        self._book = book
        self._rules = Rulebook()
        self._calendar = Calendar(clock)
        self._expected: OrderedDict[str, Expectations] = OrderedDict()
        self._instance = secrets.token_hex(6)
        self._numbers = count()
        self._tasks = Tasks("limits")

    def use(self, entries: Iterable[LimitEntry]) -> None:
        """These are the limits from now on; requests under way keep what they hold."""
        self._rules = Rulebook(entries)

    async def start(self) -> None:
        """Reads what is spent and begins what runs beside requests. Raises StorageUnavailable."""
        await self._ledger.start()
        if self._book is not None:
            await self._seed()
            self._book.start()
            self._tasks.start("seed", self._keep_seeded())

    async def stop(self) -> None:
        """Writes what is left and ends."""
        await self._tasks.stop()
        await self._ledger.stop()
        if self._book is not None:
            await self._book.stop()

    async def reserve(self, principal: Principal, ask: Ask, route: RouteSpec) -> Reservation:
        """See `Gatekeeper.reserve`. Raises RateLimited, BudgetExceeded or PriceUnknown."""
        ticket = Ticket(ask, route)
        rules = self._rules
        if rules.empty:
            return ticket
        plan = ticket.plan = rules.plan(principal.key_id, principal.user_id, route.name)
        if rules.measured:
            self._estimate(ticket)
        if plan.closed and all(_costs(ticket, self.price(one)) is None for one in route.candidates):
            raise unknown_price(route.name)
        takes = plan.fixed
        if ticket.prompt:
            for bound in plan.counted:
                takes += (_tokens(ticket, bound),)
        if takes:
            taking = self._ledger.take_now(takes) or await self._ask_store(ticket, takes)
            if taking.refused is not None:
                raise refusal(taking)
            ticket.held = taking.held
        return ticket

    async def admit(self, reservation: Reservation, candidate: Candidate, prices: Prices | None) -> None:
        """See `Gatekeeper.admit`. Money is reserved here, at the price of this candidate: a cheaper one may still fit into a
        budget that is nearly spent. What an earlier candidate may have cost stays reserved. Raises as `reserve`."""
        assert isinstance(reservation, Ticket)
        ticket, rules = reservation, self._rules
        if rules.empty or ticket.settled:
            return
        provider, plan = candidate.provider, ticket.plan
        beyond = rules.beyond(provider, candidate.model, ticket.route.name)
        if beyond or plan.budgeted:
            cost = _costs(ticket, prices) if rules.money else _NO_COST
            takes: list[Take] = []
            for whole in plan.budgeted:
                takes += self._budgets(whole, candidate, cost)
            places: list[Place] = [None] * len(takes)
            for bound, place in beyond:
                takes += bound.again if provider in ticket.providers else bound.fixed
                if bound.tokens is not None and ticket.prompt:
                    takes.append(_tokens(ticket, bound))
                if bound.budgeted:
                    takes += self._budgets(bound, candidate, cost)
                places += [place] * (len(takes) - len(places))
            # All of it or nothing: where one counter is full the candidate is not asked, so the others hold nothing for it.
            if takes:
                taking = self._ledger.take_now(takes) or await self._ask_store(ticket, takes)
                if taking.refused is not None:
                    # What it holds already stays until the request ends: another candidate may still answer.
                    raise refusal(taking)
                ticket.admitted += taking.held
                ticket.places += places
        ticket.providers.append(provider)

    async def _ask_store(self, ticket: Ticket, takes: Sequence[Take]) -> Taking:
        """The same of a ledger that has to be asked for it."""
        if not ticket.owner:
            ticket.owner = f"{self._instance}-{next(self._numbers)}"
        return await self._ledger.take(ticket.owner, takes)

    def settle(self, reservation: Reservation, record: Record) -> None:
        """See `Gatekeeper.settle`. What was used counts, also where nothing was held for it: an answer that several shared is
        settled by the one who was there at its end."""
        assert isinstance(reservation, Ticket)
        ticket, real = reservation, record.attempts
        once = real[0] if len(real) == 1 else None
        if once is None or once.usage is None or ticket.providers != [once.provider]:
            # Seldom.
            real, once = [attempt for attempt in real if attempt.usage is not None], None
        if not self._rules.empty:
            self._learn(ticket, real)
        if ticket.settled:
            return
        ticket.settled = True
        spent = self._spent(ticket, real) if once is None else self._spent_once(ticket, once)
        if spent:
            self._ledger.settle(ticket.owner, spent)

    def _spent_once(self, ticket: Ticket, attempt: Attempt) -> list[Spent]:
        """What was really used where one answered who was asked once: all that is held is for what that one used."""
        tokens, money = attempt.tokens, nanos_of(attempt) or 0
        held, book = ticket.held, self._book
        if ticket.admitted:
            held += ticket.admitted
            for one in ticket.admitted:
                budget = one.take.budget
                if budget is not None and book is not None:
                    book.add(budget, money)
        return [Spent(held, tokens, money)] if held else []

    def _spent(self, ticket: Ticket, real: Sequence[Attempt]) -> list[Spent]:
        """What was really used of all that it holds, and of what it owes."""
        used: dict[Place, tuple[int, int]] = {}
        counted: set[str] = set()
        spent = []
        whole = [(held, None) for held in ticket.held]
        for held, place in [
            *whole,
            *zip(ticket.admitted, ticket.places, strict=True),
            *self._owed(ticket, real),
        ]:
            take = held.take
            if place not in used:
                used[place] = _used(real, place)
            tokens, money = used[place]
            if len(ticket.providers) > 1 and take.measure in ("tokens", "budget"):
                # Of several that hold the same counter for the same request, one settles all of it.
                tokens, money = (tokens, money) if take.counter not in counted else (0, 0)
                counted.add(take.counter)
            if take.budget is not None and self._book is not None:
                self._book.add(take.budget, money)
            spent.append(Spent((held,), tokens, money))
        return spent

    def _owed(self, ticket: Ticket, attempts: Sequence[Attempt]) -> list[tuple[Held, Place]]:
        """The counters of money and of providers' tokens that were used and are not held."""
        known = ticket.providers
        if self._rules.empty or not [one for one in attempts if one.provider not in known]:
            # It was let in for all that answered, so it holds all that there is to hold.
            return []
        held = {one.take.counter for one in (*ticket.held, *ticket.admitted)}
        places: list[tuple[Bound, Place]] = [(bound, None) for bound in ticket.plan.bounds]
        for provider, model in dict.fromkeys((attempt.provider, attempt.model) for attempt in attempts):
            places += self._rules.beyond(provider, model, ticket.route.name)
        owed: dict[str, tuple[Held, Place]] = {}
        for bound, place in places:
            for take in self._unheld(ticket, bound):
                if take.counter not in held:
                    owed.setdefault(take.counter, (Held(take, 0, at=-1), place))
        return list(owed.values())

    def _unheld(self, ticket: Ticket, bound: Bound) -> list[Take]:
        """The counters of a bound that count what was used, less the budgets that are held already."""
        takes = [_tokens(ticket, bound)] if bound.tokens is not None and ticket.prompt else []
        for period, _ in bound.budgets:
            budget, _ = self._calendar.budget(bound.scope, bound.subject, period)
            if not any(one.take.budget is not None and one.take.budget.like(budget) for one in ticket.admitted):
                takes.append(_budget_take(budget))
        return takes

    def price(self, candidate: Candidate) -> Prices | None:
        """What a candidate costs; own engines cost nothing unless they have a price."""
        found = candidate.price if candidate.price is not None else self._price(candidate)
        return _FREE if found is None and candidate.local else found

    def _estimate(self, ticket: Ticket) -> None:
        facts = facts_of(ticket.ask)
        if ticket.ask.operation == "count_tokens":
            return
        known = ticket.known = self._expectations(ticket.route.name)
        text = ticket.text = text_size(ticket.ask.body)
        ticket.prompt = known.prompt(*text)
        if facts.max_tokens is None:
            ticket.answer, ticket.least = known.expected, 1
        else:
            ticket.answer = ticket.least = facts.max_tokens

    def _budgets(self, bound: Bound, candidate: Candidate, cost: tuple[int, int] | None) -> list[Take]:
        """What it wants of a bound's budgets for what a candidate may cost. Raises PriceUnknown where that has to be known."""
        if cost is None and bound.closed:
            raise unknown_price(candidate.name)
        if cost is None or not cost[1]:
            return []
        least, most = cost
        takes = []
        for period, limit in bound.budgets:
            budget, counter = self._calendar.budget(bound.scope, bound.subject, period)
            takes.append(Take(counter, "budget", limit, most, least, budget))
        return takes

    def _expectations(self, route: str) -> Expectations:
        found = self._expected.get(route)
        if found is None:
            found = self._expected[route] = Expectations()
            if len(self._expected) > _ROUTES:
                self._expected.popitem(last=False)
        return found

    def _learn(self, ticket: Ticket, attempts: Sequence[Attempt]) -> None:
        usage = attempts[0].usage if len(attempts) == 1 and not attempts[0].estimated else None
        if usage is not None:
            known = ticket.known or self._expectations(ticket.route.name)
            known.learn(*(ticket.text or text_size(ticket.ask.body)), usage.prompt_tokens, usage.completion_tokens)

    async def _seed(self) -> None:
        assert self._book is not None
        for budget, spent in await self._book.load():
            self._ledger.seed(_budget_take(budget), spent)

    async def _keep_seeded(self) -> None:
        while True:
            await self._clock.sleep(_RESEED)
            if self._rules.money:
                try:
                    async with asyncio.timeout(_RESEED):
                        await self._seed()
                except (CorralError, TimeoutError) as error:
                    _log.warning("budgets_not_read", reason=str(error))


def _tokens(ticket: Ticket, bound: Bound) -> Take:
    """What a request wants of a limit of tokens."""
    limit = bound.tokens or 0
    amount, least = ticket.prompt + ticket.answer, ticket.prompt + ticket.least
    if least > limit:
        # An answer that long never fits, though most end far earlier: such a request has the minute for itself.
        least = min(limit, ticket.prompt + 1)
    return Take(bound.counter, "tokens", limit, amount if amount > least else least, least)


def _costs(ticket: Ticket, price: Prices | None) -> tuple[int, int] | None:
    """What a request may cost at least and at most, in billionths of a dollar; None where that is not known."""
    if price is None:
        return None
    prompt, answer = ticket.prompt, ticket.answer
    read, written, kept = price.input, price.output, price.cache_write
    if (read is None and prompt) or (written is None and answer):
        return None
    read, written = read or 0.0, written or 0.0
    if kept is not None and kept > read:
        # A provider may write all of a prompt into its cache, at a price of its own.
        read = kept
    most = nanos((prompt * read + answer * written) / 1e6)
    if ticket.least == answer:
        return most, most
    least = nanos((prompt * read + ticket.least * written) / 1e6)
    return least, most if most > least else least


def _at(attempt: Attempt, place: tuple[str, str]) -> bool:
    return attempt.provider == place[0] and place[1] in ("", attempt.model)


def _budget_take(budget: Budget) -> Take:
    """Of the counter of a budget, without a wish."""
    return Take(budget.counter, "budget", 0, 0, 0, budget)


def _used(attempts: Sequence[Attempt], place: Place) -> tuple[int, int]:
    """The tokens and the money (in billionths of a dollar) that attempts at a place took."""
    tokens = money = 0
    for attempt in attempts:
        if place is None or _at(attempt, place):
            tokens += attempt.tokens
            money += nanos_of(attempt) or 0
    return tokens, money
