"""Routes and limits as configuration, on both databases: what a name stands for, and how that changes under requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from corral.inference.limits.rules import Rulebook
from corral.inference.routes.states import States
from corral.inference.routes.types import Candidate, RouteSpec
from corral.inference.routes.writing import spec_of
from corral.kit.errors import Conflict, InvalidRequest, ModelNotFound, NotFound
from corral.settings.changing import changed, dumped, read, wire
from corral.settings.gateway import RouteEntry
from corral.store import Location
from tests.support.clock import ManualClock
from tests.support.directory import Desk, LaterClock, desk
from tests.support.waiting import eventually, within


@pytest.fixture
async def made(tmp_path: Path, location: Location) -> AsyncIterator[Desk]:
    async with desk(tmp_path, location) as found:
        await found.add("cloud", base_url="http://127.0.0.1:9/v1", discover=False)
        yield found


def names(spec: RouteSpec) -> list[str]:
    return [one.name for one in spec.candidates]


async def test_what_a_name_stands_for(made: Desk) -> None:
    resolve = made.routes.resolve
    assert names(resolve("qwen")) == ["local/qwen"]
    assert names(resolve("org/tiny")) == ["local/org/tiny"]
    assert names(resolve("local/qwen")) == ["local/qwen"]
    assert names(resolve("cloud/org/model")) == ["cloud/org/model"]
    assert names(resolve(None)) == ["local/org/tiny"]
    for unknown in ("none", "none/model", "cloud/", "local/none", "cloud", "", "/", "x" * 300, "cloud/" + "x" * 300):
        with pytest.raises(ModelNotFound):
            resolve(unknown)
    with pytest.raises(ModelNotFound, match="Did you mean 'qwen'"):
        resolve("qwem")


async def test_a_route_goes_before_a_model_of_its_name_and_is_gone_when_switched_off(made: Desk) -> None:
    row = await made.add_route("qwen", "cloud/gpt", "local/qwen")
    assert (row["shadows"], row["problems"]) == (True, [])
    assert names(made.routes.resolve("qwen")) == ["cloud/gpt", "local/qwen"]
    await made.routes.save("qwen", 1, {"enabled": False}, by="ann")
    assert names(made.routes.resolve("qwen")) == ["local/qwen"]
    await made.add_route("smart", "cloud/gpt", enabled=False)
    with pytest.raises(ModelNotFound, match="switched off"):
        made.routes.resolve("smart")


async def test_a_route_is_kept_with_all_that_is_set(tmp_path: Path, location: Location) -> None:
    everything: dict[str, Any] = {
        "strategy": "weighted", "description": "für alle", "firstContentTimeout": 5.5, "totalTimeout": 60, "attempts": 3,
        "parameters": {"set": {"top_p": 0.5}, "default": {"temperature": 0}, "remove": ["seed"], "clamp": {"max_tokens": [None, 100]}},
        "cache": {"ttl": 60, "always": True}, "mirror": "cloud/other", "mirrorShare": 0.1, "spillQueue": 2, "spillAfter": 1.5,
    }  # fmt: skip
    candidate = {
        "provider": "cloud",
        "model": "gpt",
        "weight": 3,
        "parameters": {"seed": 1},
        "prefill": False,
        "price": {"input": 1},
    }
    async with desk(tmp_path, location) as one:
        made = await one.add_route("smart", candidate, "local/qwen", **everything)
    async with desk(tmp_path, location) as again:
        assert again.routes.row("smart") == {**made, "problems": again.routes.row("smart")["problems"]}
        spec = again.routes.resolve("smart")
        assert (spec.strategy, spec.first_content_timeout, spec.total_timeout, spec.attempts) == (
            "weighted",
            5.5,
            60,
            3,
        )
        assert (spec.parameters.clamp, spec.parameters.remove) == ({"max_tokens": (None, 100)}, ("seed",))
        assert spec.cache is not None
        assert (spec.cache.ttl, spec.cache.always, spec.mirror_share, spec.spill_queue) == (60, True, 0.1, 2)
        assert (spec.candidates[0].weight, spec.candidates[0].prefill) == (3, False)
        assert spec.candidates[0].price is not None
        assert spec.candidates[0].price.input == 1
        assert spec.mirror is not None
        assert spec.mirror.name == "cloud/other"


PARTS = st.text("abz0-_/.", min_size=1, max_size=8)
MODELS = st.builds(
    lambda provider, model: {"provider": provider, "model": model}, st.sampled_from(["a", "b.c", "x-1"]), PARTS
)
ENTRIES = st.fixed_dictionaries(
    {"candidates": st.lists(MODELS | MODELS.map(lambda one: f"{one['provider']}/{one['model']}"), min_size=1, max_size=4)},
    optional={
        "strategy": st.sampled_from(["ordered", "weighted", "latency", "cost", "local_first"]), "attempts": st.integers(1, 16),
        "firstContentTimeout": st.floats(0.001, 86_400), "mirror": MODELS, "cache": st.fixed_dictionaries({}, optional={"ttl": st.floats(1, 100)}),
        "parameters": st.fixed_dictionaries({}, optional={"set": st.dictionaries(PARTS, st.integers() .filter(lambda n: abs(n) < 2**60) | st.text("aé"))}),
    },
)  # fmt: skip


@given(ENTRIES, ENTRIES)
def test_what_is_written_reads_the_same_in_every_form(first: dict[str, Any], second: dict[str, Any]) -> None:
    entry = read(RouteEntry, first)
    assert read(RouteEntry, dumped(entry)) == entry
    assert read(RouteEntry, wire(entry)) == entry
    assert spec_of("r", entry).candidates[0].provider == entry.candidates[0].provider
    after = changed(RouteEntry, dumped(entry), second)
    assert after == read(RouteEntry, {**wire(entry), **second})
    assert changed(RouteEntry, dumped(after), dict.fromkeys(set(second) - {"candidates"})) == read(
        RouteEntry,
        {**{name: value for name, value in first.items() if name not in second}, "candidates": second["candidates"]},
    )


async def test_a_route_is_renamed_when_the_name_is_free(made: Desk) -> None:
    await made.add_route("one", "cloud/gpt")
    await made.add_route("two", "cloud/gpt")
    with pytest.raises(Conflict) as refused:
        await made.routes.save("one", 1, {"name": "two"}, by="ann")
    assert (refused.value.details or {})["fields"]["name"]
    with made.bus.subscribe("routes") as news:
        row = await made.routes.save("one", 1, {"name": "three", "description": "x"}, by="ann")
        event = await within(anext(event async for _, event in news))
    assert (row["name"], row["version"], row["description"]) == ("three", 2, "x")
    assert (event["removed"], [one["name"] for one in event["routes"]]) == (["one"], ["three"])
    assert names(made.routes.resolve("three")) == ["cloud/gpt"]
    with pytest.raises(ModelNotFound):
        made.routes.resolve("one")
    await made.routes.delete("two", by="ann")
    await made.routes.save("three", 2, {"name": "two"}, by="ann")
    with pytest.raises(NotFound):
        await made.routes.restore("two", by="ann")
    assert [row["name"] for row in made.routes.listing()["routes"]] == ["two"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, "candidates"), ({"candidates": []}, "candidates"), ({"candidates": ["gpt"]}, "candidates.0"),
        ({"candidates": ["a/b"] * 33}, "candidates"), ({"candidates": ["a/b"], "strategy": "best"}, "strategy"),
        ({"candidates": [{"provider": "a", "model": "b", "weight": 0}]}, "candidates.0.weight"),
        ({"candidates": ["a/b"], "attempts": 0}, "attempts"), ({"candidates": ["a/b"], "totalTimeout": -1}, "totalTimeout"),
        ({"candidates": ["a/b"], "parameters": {"clamp": {"temperature": [2, 1]}}}, "parameters.clamp"),
        ({"candidates": ["a/b"], "parameters": {"set": {"x": "\x00"}}}, "parameters.set"),
        ({"candidates": ["a/b"], "name": ""}, "name"), ({"candidates": ["a/b"], "name": 7}, "name"),
        ({"candidates": ["a/b"], "mirrorShare": 2}, "mirrorShare"), ({"candidates": ["a/b"], "other": 1}, "other"),
    ],
)  # fmt: skip
async def test_what_no_route_can_be_is_refused_with_its_field(
    tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    async with desk(tmp_path) as made:
        with pytest.raises(InvalidRequest) as refused:
            await made.routes.save("smart", 0, changes, by="ann")
        assert field in (refused.value.details or {})["fields"]
        assert made.routes.listing()["routes"] == []


async def test_two_who_edit_do_not_undo_each_other(made: Desk) -> None:
    await made.add_route("smart", "cloud/a")
    await made.routes.save("smart", 1, {"candidates": ["cloud/b"]}, by="eve")
    with pytest.raises(Conflict) as refused:
        await made.routes.save("smart", 1, {"candidates": ["cloud/c"], "attempts": 4}, by="ann")
    details = refused.value.details or {}
    assert list(details["diff"]) == ["candidates"]
    assert details["current"]["candidates"][0]["model"] == "b"
    assert names(made.routes.resolve("smart")) == ["cloud/b"]


async def test_what_is_wrong_with_a_route_is_told_and_changes_with_its_providers(made: Desk) -> None:
    row = await made.add_route("smart", "cloud/gpt", "gone/gpt", "local/none", mirror="gone/x")
    assert [(one["candidate"], one["message"]) for one in row["problems"]] == [
        (1, "There is no provider 'gone'."), (2, "There is no model 'none' on this machine."), (None, "There is no provider 'gone'."),
    ]  # fmt: skip
    assert made.providers.row("cloud")["routes"] == ["smart"]
    await made.providers.save("cloud", 1, {"enabled": False}, by="ann")
    assert made.routes.row("smart")["problems"][0] == {
        "candidate": 0,
        "message": "The provider 'cloud' is switched off.",
    }
    made.local.known.add("none")
    assert [one["candidate"] for one in made.routes.row("smart")["problems"]] == [0, 1, None]


async def test_a_deleted_route_comes_back(made: Desk, location: Location) -> None:
    await made.add_route("a/b c", "cloud/gpt")
    told = await made.routes.delete("a/b c", by="ann")
    assert told["deleted"] == "a/b c"
    with pytest.raises(ModelNotFound):
        made.routes.resolve("a/b c")
    row = await made.routes.restore("a/b c", by="bob")
    assert (row["version"], row["by"]) == (3, "bob")
    assert names(made.routes.resolve("a/b c")) == ["cloud/gpt"]


async def test_routes_of_the_file_are_shown_and_not_changed(tmp_path: Path) -> None:
    given = {"smart": {"candidates": ["cloud/gpt", "local/qwen"], "first_content_timeout": 3}}
    async with desk(tmp_path, routes=given) as made:
        row = made.routes.row("smart")
        assert (row["source"], row["readOnly"], row["firstContentTimeout"]) == ("corral.toml", True, 3)
        assert made.routes.resolve("smart").first_content_timeout == 3
        with pytest.raises(InvalidRequest, match=r"corral\.toml"):
            await made.routes.save("smart", 0, {"attempts": 2}, by="ann")
        await made.add_route("other", "cloud/gpt")
        with pytest.raises(Conflict):
            await made.routes.save("other", 1, {"name": "smart"}, by="ann")


async def test_requests_during_changes_see_one_state_or_the_other(made: Desk) -> None:
    await made.add_route("smart", "cloud/1", "cloud/1")
    seen, running = set(), True

    async def ask() -> None:
        while running:
            first, second = names(made.routes.resolve("smart"))
            assert first == second
            seen.add(first)
            await asyncio.sleep(0)

    asking = [asyncio.create_task(ask()) for _ in range(4)]
    for version in range(1, 20):
        await made.routes.save("smart", version, {"candidates": [f"cloud/{version + 1}"] * 2}, by="ann")
    running = False
    await asyncio.gather(*asking)
    assert names(made.routes.resolve("smart"))[0] == "cloud/20"
    assert len(seen) > 2


async def test_states_are_told_at_most_once_a_second_and_only_when_something_changed(tmp_path: Path) -> None:
    from corral.bus import MemoryBus

    clock, bus = ManualClock(), MemoryBus()
    spec = RouteSpec("r", (Candidate("a", "m"), Candidate("b", "m")))
    conditions: dict[str, dict[str, Any]] = {
        one: {"provider": one, "breaker": "closed", "retryIn": 0.0, "restingKeys": []} for one in "ab"
    }
    states = States(clock, bus, lambda: [spec])
    assert states.listing() == {"routes": [{"name": "r", "candidates": []}]}
    states.condition = lambda candidate: dict(conditions[candidate.provider])
    heard: list[dict[str, Any]] = []

    async def listen() -> None:
        with bus.subscribe("route-states") as news:
            async for _, event in news:
                heard.append(dict(event))

    listening, running = asyncio.create_task(listen()), asyncio.create_task(states.run())
    await clock.advance(3.0)
    assert len(heard) == 1
    conditions["b"].update(breaker="open", retryIn=9.0)
    for left in (8.0, 7.0, 6.0):
        conditions["b"]["retryIn"] = left
        await clock.advance(0.3)
    await clock.advance(5.0)
    assert len(heard) == 2
    assert heard[1]["event"] == "routes:state"
    assert [one["breaker"] for one in heard[1]["routes"][0]["candidates"]] == ["closed", "open"]
    for task in (listening, running):
        task.cancel()


async def test_limits_are_kept_changed_and_deleted(tmp_path: Path, location: Location) -> None:
    async with desk(tmp_path, location, limits=[{"scope": "all", "requests_per_minute": 100}]) as made:
        row = await made.limits.save(None, 0, {"scope": "user", "subject": "*", "budgetDay": 1.5}, by="ann")
        assert (row["version"], row["unknownPrice"], row["readOnly"]) == (1, "allow", False)
        row = await made.limits.save(
            row["id"], 1, {"unknownPrice": "refuse", "budgetDay": None, "concurrent": 2}, by="ann"
        )
        assert (row["budgetDay"], row["concurrent"]) == (None, 2)
        with pytest.raises(Conflict):
            await made.limits.save(row["id"], 1, {"concurrent": 3}, by="ann")
        with pytest.raises(NotFound):
            await made.limits.save("lim_none", 1, {}, by="ann")
        with pytest.raises(NotFound):
            await made.limits.save("lim_none", 0, {"scope": "all"}, by="ann")
        with pytest.raises(InvalidRequest, match=r"corral\.toml"):
            await made.limits.save("lim_file_1", 0, {"concurrent": 1}, by="ann")
        for bad in (
            {"scope": "user"},
            {"scope": "all", "subject": "x"},
            {"scope": "none"},
            {"scope": "all", "concurrent": -1},
        ):
            with pytest.raises(InvalidRequest):
                await made.limits.save(None, 0, bad, by="ann")
    async with desk(tmp_path, location) as again:
        [found] = again.limits.listing()["limits"]
        assert {**found, "updatedAt": 0} == {**row, "updatedAt": 0}
        bound = Rulebook(again.limits.entries()).find("user", "ann")
        assert bound is not None
        assert (bound.concurrent, bound.closed) == (2, True)
        before = again.limits.revision
        await again.limits.delete(found["id"], by="ann")
        assert again.limits.entries() == ()
        assert again.limits.revision > before
        assert again.limits.listing()["removed"][0]["id"] == found["id"]
        await again.limits.restore(found["id"], by="ann")
        assert len(again.limits.entries()) == 1
        await again.limits.save(found["id"], 4, {"enabled": False}, by="ann")
        assert again.limits.entries() == ()


async def test_the_trash_of_routes_and_limits_is_emptied(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:
        await made.add_route("smart", "a/b")
        await made.routes.delete("smart", by="ann")
        row = await made.limits.save(None, 0, {"scope": "all"}, by="ann")
        await made.limits.delete(row["id"], by="ann")

    def left(connection: Connection) -> int:
        return sum(connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0 for table in ("routes", "limits"))

    async with desk(tmp_path, clock=LaterClock(7.1)) as late:

        async def empty() -> bool:
            told = [*late.routes.listing()["removed"], *late.limits.listing()["removed"]]
            return not told and await late.database.read(left) == 0

        await eventually(empty)
