"""What limits mean for requests: who they hold for, what is reserved, what is settled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from corral.accounts.types import Permission, Principal
from corral.dialects.form import Usage
from corral.inference.facts import text_size
from corral.inference.limits.book import BudgetBook
from corral.inference.limits.memory import MemoryLedger
from corral.inference.limits.policy import budget_of
from corral.inference.limits.service import Limits
from corral.inference.money import nanos
from corral.inference.routes.types import Candidate, RouteSpec
from corral.inference.types import Ask, Attempt, Record
from corral.kit.clock import Clock
from corral.kit.errors import BudgetExceeded, CorralError, PriceUnknown, RateLimited
from corral.providers.types import Prices
from corral.settings.gateway import LimitEntry
from corral.store import Database, Location
from tests.support.clock import ManualClock

PRICES = {
    "cheap/small": Prices(1.0, 2.0),
    "dear/large": Prices(10.0, 30.0),
    "cached/large": Prices(10.0, 30.0, cached_input=1.0, cache_write=12.5),
}
ANA, BOB = (Principal(name, frozenset({Permission.INFERENCE})) for name in ("ana", "bob"))
KEYED = Principal("ana", frozenset({Permission.INFERENCE}), key_id="k1")


def price(candidate: Candidate) -> Prices | None:
    return PRICES.get(candidate.name)


async def admit(limits: Limits, reservation: Any, candidate: Candidate) -> None:
    await limits.admit(reservation, candidate, limits.price(candidate))


def limited(*entries: dict[str, Any], clock: Clock | None = None) -> Limits:
    clock = clock or ManualClock()
    made = Limits(MemoryLedger(clock), clock, price)
    made.use([LimitEntry(**{"scope": "user", "subject": "ana", **entry}) for entry in entries])
    return made


def ask(size: int = 300, **body: Any) -> Ask:
    text = {"model": "m", "messages": [{"role": "user", "content": ""}], **body}
    text["messages"][0]["content"] = "x" * max(0, size - len(msgspec.json.encode(text)))
    return Ask("chat", "openai_chat", "m", msgspec.json.encode(text))


def route(*names: str) -> RouteSpec:
    pairs = [name.partition("/") for name in names or ("cheap/small",)]
    return RouteSpec("m", tuple(Candidate(provider, model) for provider, _, model in pairs))


def ended(user: Principal, *attempts: tuple[str, int, int], estimated: bool = False) -> Record:
    record = Record(user.user_id, ask(), 0.0, user.key_id, "m")
    for name, prompt, completion in attempts:
        provider, model = name.split("/")
        usage = Usage(prompt, completion) if prompt or completion else None
        prices = PRICES.get(name)
        record.attempts.append(
            Attempt(provider, model, "first", 0.0, usage=usage, prices=prices, estimated=estimated)
        )  # fmt: skip
    return record


async def once(limits: Limits, user: Principal = ANA, asked: Ask | None = None, *used: tuple[str, int, int]) -> Any:
    """A request from its beginning to its end; the error when it was refused."""
    asked, way = asked or ask(), route()
    try:
        reservation = await limits.reserve(user, asked, way)
    except CorralError as error:
        return error
    try:
        await admit(limits, reservation, way.candidates[0])
    except CorralError as error:
        return error
    finally:
        limits.settle(reservation, ended(user, *used))
    return reservation.headers


async def test_without_limits_nothing_is_told_and_nothing_kept() -> None:
    limits = limited()
    for _ in range(100):
        assert await once(limits, ANA, ask(), ("cheap/small", 100, 100)) == {}


async def test_requests_a_minute_for_whom_they_are_meant() -> None:
    limits = limited({"requests_per_minute": 2})
    headers = await once(limits)
    assert headers["RateLimit-Limit"] == "2"
    assert headers["RateLimit-Remaining"] == "1"
    assert 60 <= int(headers["RateLimit-Reset"]) <= 61
    assert headers["RateLimit-Policy"] == '2;w=60;comment="requests a minute"'
    await once(limits)
    refused = await once(limits)
    assert isinstance(refused, RateLimited)
    assert refused.status == 429
    assert 60 <= (refused.retry_after or 0) <= 61
    assert (refused.headers or {})["RateLimit-Remaining"] == "0"
    assert await once(limits, BOB) == {}


async def test_each_one_has_a_limit_of_its_own_and_a_named_one_goes_before() -> None:
    limits = limited({"subject": "*", "requests_per_minute": 1, "concurrent": 5}, {"requests_per_minute": 3})
    assert [type(await once(limits, BOB)) for _ in range(2)] == [dict, RateLimited]
    assert [type(await once(limits, ANA)) for _ in range(4)] == [dict, dict, dict, RateLimited]
    # What is not said of ana holds as for each.
    found = limits._rules.find("user", "ana")
    assert found is not None
    assert found.concurrent == 5


async def test_keys_and_all_together_and_models() -> None:
    limits = limited(
        {"scope": "key", "subject": "k1", "requests_per_minute": 1},
        {"scope": "all", "subject": "", "requests_per_minute": 4},
        {"scope": "model", "subject": "m", "requests_per_minute": 3},
    )
    assert [type(await once(limits, KEYED)) for _ in range(2)] == [dict, RateLimited]
    assert [type(await once(limits, BOB)) for _ in range(3)] == [dict, dict, RateLimited]
    refused = await once(limits, BOB)
    assert "model 'm'" in refused.message


async def test_the_lower_of_two_that_say_the_same_holds_and_those_switched_off_do_not() -> None:
    limits = limited(
        {"requests_per_minute": 9}, {"requests_per_minute": 2}, {"requests_per_minute": 1, "enabled": False}
    )
    assert [type(await once(limits)) for _ in range(3)] == [dict, dict, RateLimited]


async def test_streams_at_once_are_free_again_when_they_end() -> None:
    limits = limited({"concurrent": 2})
    way = route()
    first, second = [await limits.reserve(ANA, ask(), way) for _ in range(2)]
    with pytest.raises(RateLimited, match="2 requests at once"):
        await limits.reserve(ANA, ask(), way)
    limits.settle(first, ended(ANA))
    limits.settle(first, ended(ANA))
    third = await limits.reserve(ANA, ask(), way)
    with pytest.raises(RateLimited):
        await limits.reserve(ANA, ask(), way)
    limits.settle(second, ended(ANA))
    limits.settle(third, ended(ANA))


@pytest.mark.parametrize("actual", [0, 10, 50])
async def test_pitfall_33_requests_near_the_limit_at_the_same_time_never_use_more(actual: int) -> None:
    limits = limited({"tokens_per_minute": 1000})
    asked = ask(200, max_tokens=50)
    way, used, passed = route(), 0, 0

    async def one() -> None:
        nonlocal used, passed
        try:
            reservation = await limits.reserve(ANA, asked, way)
        except RateLimited:
            return
        passed += 1
        await asyncio.sleep(0)
        used += 40 + actual
        limits.settle(reservation, ended(ANA, ("cheap/small", 40, actual)))

    for _ in range(40):
        await asyncio.gather(*(one() for _ in range(10)))
    assert used <= 1000
    # And none is turned away that would have fitted: what is left is less than one may need.
    assert used + 110 + 50 > 1000


async def test_pitfall_33_a_request_that_does_not_say_how_long_its_answer_may_be_is_not_turned_away_for_it() -> None:
    limits = limited({"tokens_per_minute": 1000})
    way = route()
    reservation = await limits.reserve(ANA, ask(300), way)
    # About 90 for the prompt and 500 for what answers usually take.
    assert 400 < limits._expectations("m").expected < 600
    other = await limits.reserve(ANA, ask(300), way)
    with pytest.raises(RateLimited):
        await limits.reserve(ANA, ask(300), way)
    limits.settle(reservation, ended(ANA, ("cheap/small", 60, 40)))
    limits.settle(other, ended(ANA, ("cheap/small", 60, 40)))
    assert isinstance(await once(limits, ANA, ask(300)), dict)


async def test_what_answers_usually_take_is_learnt() -> None:
    limits = limited({"tokens_per_minute": 1_000_000})
    for _ in range(60):
        await once(limits, ANA, ask(1000), ("cheap/small", 500, 20))
    known = limits._expectations("m")
    assert 20 < known.expected < 40
    assert 0.45 < known.per_byte < 0.55
    assert 450 < known.prompt(*text_size(ask(1000).body)) < 560


async def test_an_answer_that_may_be_longer_than_the_limit_has_the_minute_for_itself() -> None:
    limits = limited({"tokens_per_minute": 1000})
    way, asked = route(), ask(300, max_tokens=32_000)
    first = await limits.reserve(ANA, asked, way)
    with pytest.raises(RateLimited):
        await limits.reserve(ANA, asked, way)
    limits.settle(first, ended(ANA, ("cheap/small", 60, 100)))
    assert isinstance(await once(limits, ANA, asked), dict)


async def test_pictures_in_a_prompt_do_not_count_by_their_bytes() -> None:
    limits = limited({"tokens_per_minute": 10_000})
    body = ask().body.replace(b'"xxx', b'"data:image/png;base64,' + b"A" * 3_000_000 + b'"xxx', 1)
    asked = Ask("chat", "openai_chat", "m", body)
    assert isinstance(await limits.reserve(ANA, asked, route()), object)
    assert limits._expectations("m").prompt(*text_size(body)) < 4000


async def test_money_is_reserved_at_the_price_of_the_candidate_and_a_cheaper_one_may_still_fit() -> None:
    limits = limited({"budget_day": 0.01})
    way = route("dear/large", "cheap/small")
    asked = ask(300, max_tokens=1000)
    reservation = await limits.reserve(ANA, asked, way)
    with pytest.raises(BudgetExceeded, match="this user for this day") as refused:
        await admit(limits, reservation, way.candidates[0])
    assert (refused.value.retry_after or 0) > 80_000
    await admit(limits, reservation, way.candidates[1])
    limits.settle(reservation, ended(ANA, ("cheap/small", 100, 1000)))
    assert limits._ledger.used(_today("user", "ana")) == nanos(0.0021)  # type: ignore[attr-defined]


def _today(scope: str, subject: str) -> str:
    return budget_of(scope, subject, "day", ManualClock().now()).counter


@pytest.mark.parametrize("waves", [1, 8])
async def test_pitfall_33_a_budget_is_never_overspent_by_requests_that_say_how_long_they_may_be(waves: int) -> None:
    limits = limited({"budget_day": 0.05})
    way, asked = route("dear/large"), ask(300, max_tokens=100)
    spent, passed = 0.0, 0

    async def one() -> None:
        nonlocal spent, passed
        reservation = await limits.reserve(ANA, asked, way)
        record = ended(ANA)
        try:
            await admit(limits, reservation, way.candidates[0])
            await asyncio.sleep(0)
            record = ended(ANA, ("dear/large", 80, 100))
            spent += record.attempts[0].cost or 0.0
            passed += 1
        except BudgetExceeded:
            pass
        finally:
            limits.settle(reservation, record)

    for _ in range(waves):
        await asyncio.gather(*(one() for _ in range(40)))
    assert 0.045 < spent <= 0.05
    assert passed == 13 - (waves == 1)


async def test_what_a_failed_candidate_used_is_paid_as_well() -> None:
    limits = limited({"budget_day": 1.0, "tokens_per_minute": 10_000})
    way = route("dear/large", "cheap/small")
    reservation = await limits.reserve(ANA, ask(300, max_tokens=100), way)
    for candidate in way.candidates:
        await admit(limits, reservation, candidate)
    record = ended(ANA, ("dear/large", 100, 40), ("cheap/small", 140, 60))
    limits.settle(reservation, record)
    assert limits._ledger.used(_today("user", "ana")) == nanos(0.0022) + nanos(0.00026)  # type: ignore[attr-defined]
    assert limits._ledger.used("user:ana/tokens") == 340  # type: ignore[attr-defined]


async def test_pitfall_34_a_model_of_unknown_price_is_refused_where_a_budget_says_so() -> None:
    open_ = limited({"budget_day": 1.0})
    closed = limited({"budget_day": 1.0, "unknown_price": "refuse"})
    way = route("new/thing")
    reservation = await open_.reserve(ANA, ask(), way)
    await admit(open_, reservation, way.candidates[0])
    with pytest.raises(PriceUnknown, match="'m'"):
        await closed.reserve(ANA, ask(), way)
    mixed = route("new/thing", "cheap/small")
    reservation = await closed.reserve(ANA, ask(), mixed)
    with pytest.raises(PriceUnknown, match="'new/thing'"):
        await admit(closed, reservation, mixed.candidates[0])
    await admit(closed, reservation, mixed.candidates[1])
    # Own engines cost nothing, so their price is known.
    own = route("local/qwen")
    await admit(closed, await closed.reserve(ANA, ask(), own), own.candidates[0])


async def test_own_engines_answer_when_the_budget_is_spent() -> None:
    limits = limited({"budget_day": 0.0})
    way = route("cheap/small", "local/qwen")
    reservation = await limits.reserve(ANA, ask(), way)
    with pytest.raises(BudgetExceeded):
        await admit(limits, reservation, way.candidates[0])
    await admit(limits, reservation, way.candidates[1])


async def test_a_provider_s_limit_turns_to_the_next_candidate_only() -> None:
    limits = limited({"scope": "provider", "subject": "dear", "requests_per_minute": 1, "tokens_per_minute": 5000})
    way = route("dear/large", "cheap/small")
    first = await limits.reserve(ANA, ask(), way)
    await admit(limits, first, way.candidates[0])
    limits.settle(first, ended(ANA, ("dear/large", 100, 50)))
    assert limits._ledger.used("provider:dear/tokens") == 150  # type: ignore[attr-defined]
    second = await limits.reserve(BOB, ask(), way)
    with pytest.raises(RateLimited, match="provider 'dear'"):
        await admit(limits, second, way.candidates[0])
    await admit(limits, second, way.candidates[1])
    limits.settle(second, ended(BOB, ("cheap/small", 100, 50)))
    assert limits._ledger.used("provider:dear/tokens") == 150  # type: ignore[attr-defined]


async def test_an_answer_that_was_shared_is_paid_by_the_one_who_was_there_at_its_end() -> None:
    limits = limited(
        {"budget_day": 1.0, "tokens_per_minute": 10_000},
        {"scope": "provider", "subject": "dear", "tokens_per_minute": 10_000, "budget_month": 5.0},
    )
    way = route("dear/large")
    first, second = [await limits.reserve(ANA, ask(), way) for _ in range(2)]
    await admit(limits, first, way.candidates[0])
    limits.settle(first, ended(ANA))
    assert limits._ledger.used(_today("user", "ana")) == 0  # type: ignore[attr-defined]
    limits.settle(second, ended(ANA, ("dear/large", 100, 100)))
    assert limits._ledger.used(_today("user", "ana")) == nanos(0.004)  # type: ignore[attr-defined]
    assert limits._ledger.used("user:ana/tokens") == 200  # type: ignore[attr-defined]
    assert limits._ledger.used("provider:dear/tokens") == 200  # type: ignore[attr-defined]


async def test_a_prompt_that_may_be_written_into_a_cache_is_reserved_at_that_price() -> None:
    limits = limited({"budget_day": 0.001})
    way = route("cached/large")
    reservation = await limits.reserve(ANA, ask(300, max_tokens=1), way)
    with pytest.raises(BudgetExceeded):
        await admit(limits, reservation, way.candidates[0])


async def test_changed_limits_hold_from_the_next_request_on() -> None:
    limits = limited({"concurrent": 1})
    first = await limits.reserve(ANA, ask(), route())
    limits.use([])
    await limits.reserve(ANA, ask(), route())
    limits.settle(first, ended(ANA))
    limits.use([LimitEntry(scope="user", subject="ana", concurrent=1)])
    await limits.reserve(ANA, ask(), route())


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    url = request.getfixturevalue("postgres").database() if request.param == "postgresql" else None
    return Location(tmp_path / "corral.db", url)


async def test_pitfall_34_budgets_survive_a_restart(location: Location) -> None:
    clock = ManualClock()
    asked, way = ask(300, max_tokens=1000), route("dear/large")
    outcomes: list[Sequence[bool]] = []
    for _ in range(3):
        database = await Database.open(location)
        limits = Limits(MemoryLedger(clock), clock, price, BudgetBook(database, clock))
        limits.use([LimitEntry(scope="user", subject="*", budget_day=1.0, budget_month=0.11)])
        await limits.start()
        passed = []
        for _ in range(2):
            reservation = await limits.reserve(ANA, asked, way)
            try:
                await admit(limits, reservation, way.candidates[0])
                passed.append(True)
                limits.settle(reservation, ended(ANA, ("dear/large", 100, 1000)))
            except BudgetExceeded:
                passed.append(False)
                limits.settle(reservation, ended(ANA))
        outcomes.append(passed)
        await limits.stop()
        await database.close()
    assert outcomes == [[True, True], [True, False], [False, False]]
