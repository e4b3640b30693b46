"""Providers as configuration, on both databases: what is kept, who may see it, and what a change does to those who call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from corral.bus import Subscription
from corral.kit.errors import Conflict, InvalidRequest, NotFound, Unavailable
from corral.providers.directory.kinds import CARDS
from corral.providers.types import Health, ProviderSpec
from corral.providers.vendors import VENDORS
from corral.store import Database, Location
from tests.support.clock import ManualClock
from tests.support.directory import SECRET, Desk, LaterClock, desk, quiet
from tests.support.providers import FakeProvider
from tests.support.waiting import eventually


async def first(news: Subscription, count: int) -> AsyncIterator[tuple[str, Any]]:
    """So many events."""
    async with asyncio.timeout(60):
        async for found in news:
            yield found[0], found[1]
            count -= 1
            if not count:
                return


async def test_a_provider_is_kept_changed_and_there_again_after_a_restart(tmp_path: Path, location: Location) -> None:
    async with desk(tmp_path, location) as one:
        made = await one.add(
            "cloud",
            **quiet(headers={"X-Team": "blue"}, models=["m1", {"name": "m2", "prices": {"input": 1.5, "output": 2}}]),
        )
        assert (made["version"], made["source"], made["readOnly"], made["problem"]) == (1, "database", False, None)
        changed = await one.providers.save("cloud", 1, {"description": "ours", "headers": None}, by="bob")
        assert (changed["version"], changed["by"], changed["description"], changed["headers"]) == (2, "bob", "ours", {})
    async with desk(tmp_path, location) as again:
        row = again.providers.row("cloud")
        assert {**row, "health": None} == {**changed, "health": None}
        assert [one.name for one in again.providers.known_models("cloud")] == ["m1", "m2"]
        prices = again.providers.live.provider("cloud").prices("m2")
        assert prices is not None
        assert (prices.input, prices.output) == (1.5, 2.0)


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        ("Cloud", {}, "name"), ("a/b", {}, "name"), ("local", {}, "name"), ("", {}, "name"), ("x" * 65, {}, "name"),
        ("c", {"kind": "other"}, "kind"), ("c", {"kind": None}, "kind"), ("c", {"baseUrl": "ftp://x"}, "baseUrl"),
        ("c", {"baseUrl": "http://169.254.169.254/latest"}, "baseUrl"), ("c", {"baseUrl": "http://[::ffff:a9fe:a9fe]/"}, "baseUrl"),
        ("c", {"baseUrl": "http://2852039166/"}, "baseUrl"), ("c", {"baseUrl": "https://a:b@c/"}, "baseUrl"),
        ("c", {"headers": {"Authorization": "Bearer x"}}, "headers"), ("c", {"headers": {"x": "a\nb"}}, "headers"),
        ("c", {"models": [{"name": ""}]}, "models.0.name"), ("c", {"models": ["a", "a"]}, "models"),
        ("c", {"timeouts": {"firstByte": 0}}, "timeouts.firstByte"), ("c", {"kind": "compatible"}, "baseUrl"),
        ("c", {"kind": "compatible", "vendor": "nobody"}, "vendor"), ("c", {"kind": "compatible", "vendor": "vllm"}, "baseUrl"),
        ("c", {"vendor": "groq"}, "vendor"), ("c", {"nonsense": 1}, "nonsense"), ("c", {"secret": "x"}, "secret"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused_with_its_field(
    tmp_path: Path, name: str, changes: dict[str, Any], field: str
) -> None:
    async with desk(tmp_path) as made:
        with pytest.raises(InvalidRequest) as refused:
            await made.providers.save(name, 0, {"kind": "openai", **changes}, by="ann")
        assert field in (refused.value.details or {})["fields"], refused.value.message
        assert made.providers.listing()["providers"] == []


async def test_a_stale_version_is_refused_with_what_differs(made: Desk) -> None:
    await made.add("cloud", **quiet())
    await made.providers.save("cloud", 1, {"description": "hers"}, by="eve")
    with pytest.raises(Conflict) as refused:
        await made.providers.save("cloud", 1, {"description": "mine", "enabled": True}, by="ann")
    details = refused.value.details or {}
    assert (details["version"], details["current"]["by"]) == (2, "eve")
    assert details["diff"] == {"description": {"yours": "mine", "now": "hers"}}
    with pytest.raises(Conflict):
        await made.providers.save("cloud", 0, {"kind": "openai"}, by="ann")
    with pytest.raises(NotFound):
        await made.providers.save("none", 3, {}, by="ann")
    assert made.providers.row("cloud")["version"] == 2


async def test_what_is_deleted_comes_back_with_its_keys_within_a_week_and_not_later(
    tmp_path: Path, location: Location
) -> None:
    async with desk(tmp_path, location) as made:
        await made.add("cloud", **quiet())
        await made.providers.add_key("cloud", SECRET, "main", by="ann")
        await made.add_route("smart", "cloud/m")
        told = await made.providers.delete("cloud", by="ann")
        assert (told["deleted"], told["routes"]) == ("cloud", ["smart"])
        assert made.providers.listing()["removed"][0]["name"] == "cloud"
        with pytest.raises(Unavailable):
            made.providers.live.provider("cloud")
        with pytest.raises(NotFound):
            await made.providers.delete("cloud", by="ann")
        row = await made.providers.restore("cloud", by="ann")
        assert [key["label"] for key in row["keys"]] == ["main"]
        assert made.providers.live.provider("cloud").keys[0].value == SECRET
        await made.providers.delete("cloud", by="ann")
    async with desk(tmp_path, location, clock=LaterClock(6.9)) as again:
        assert again.providers.listing()["removed"][0]["name"] == "cloud"
    async with desk(tmp_path, location, clock=LaterClock(7.1)) as late:
        await eventually(lambda: not late.providers.listing()["removed"])
        with pytest.raises(NotFound):
            await late.providers.restore("cloud", by="ann")

        async def empty() -> bool:
            left = await late.database.read(
                lambda connection: connection.scalar(text("SELECT count(*) FROM provider_keys"))
            )
            return bool(left == 0)

        await eventually(empty)


async def test_a_row_of_a_newer_corral_is_shown_with_its_reason_and_does_not_stop_the_start(
    tmp_path: Path, location: Location
) -> None:
    async with desk(tmp_path, location) as made:
        for name in ("a", "b", "c"):
            await made.add(name, **quiet())

        def spoil(connection: Connection) -> None:
            connection.execute(text("UPDATE providers SET options = '{\"from_the_future\": 1}' WHERE name = 'a'"))
            connection.execute(text("UPDATE providers SET options = 'no json' WHERE name = 'b'"))

        await made.database.write(spoil)
    async with desk(tmp_path, location) as again:
        rows = {row["name"]: row for row in again.providers.listing()["providers"]}
        assert "cannot be used by this version" in rows["a"]["problem"]
        assert "cannot be used by this version" in rows["b"]["problem"]
        assert rows["c"]["problem"] is None
        await again.providers.delete("b", by="ann")
        await again.providers.restore("b", by="ann")
        await again.providers.delete("a", by="ann")


async def test_the_file_goes_first_and_is_not_changed_from_here(tmp_path: Path, location: Location) -> None:
    async with desk(tmp_path, location) as made:
        await made.add("cloud", **quiet(description="of the database"))
    given = {
        "cloud": {"kind": "openai", "description": "of the file", "discover": False, "api_key_env": ["A_KEY", "B_KEY"]}
    }
    async with desk(tmp_path, location, environ={"A_KEY": SECRET}, providers=given) as again:
        row = again.providers.row("cloud")
        assert (row["description"], row["source"], row["readOnly"], row["problem"]) == (
            "of the file",
            "corral.toml",
            True,
            None,
        )
        assert [(key["label"], key["hint"], key["problem"]) for key in row["keys"]] == [
            ("A_KEY", "wxyz", None), ("B_KEY", "", "The variable B_KEY is not set."),
        ]  # fmt: skip
        assert [key.value for key in again.providers.live.provider("cloud").keys] == [SECRET]
        for work in (
            again.providers.save("cloud", 0, {"enabled": False}, by="ann"), again.providers.delete("cloud", by="ann"),
            again.providers.add_key("cloud", SECRET, None, by="ann"),
        ):  # fmt: skip
            with pytest.raises(InvalidRequest, match=r"corral\.toml"):
                await work


async def test_a_change_makes_another_object_and_leaves_the_old_one_to_those_who_use_it(tmp_path: Path) -> None:
    clock, closed = ManualClock(), []

    class Kept:
        def __init__(self, spec: ProviderSpec) -> None:
            self.spec, self.keys, self.name = spec, spec.keys, spec.name

        async def close(self) -> None:
            closed.append(self.spec.headers["v"])

    told: list[str] = []
    async with desk(tmp_path, clock=clock, build=Kept) as made:  # type: ignore[arg-type]
        made.providers.live.watch(told.append)
        await made.add("cloud", **quiet(headers={"v": "1"}))
        first = made.providers.live.provider("cloud")
        await made.providers.save("cloud", 1, {"headers": {"v": "2"}}, by="ann")
        assert made.providers.live.provider("cloud") is not first
        await clock.advance(600)
        assert closed == []
        await clock.advance(400)
        assert closed == ["1"]
        assert told == ["cloud", "cloud"]
        for version in range(2, 80):
            await made.providers.save("cloud", version, {"headers": {"v": str(version + 1)}}, by="ann")
        await clock.advance(61)
        assert 10 < len(closed) < 30
    assert len(set(closed)) == 80


async def test_a_test_tells_what_works_and_what_does_not(made: Desk, service: FakeProvider) -> None:
    service.script()
    await made.add("cloud", **quiet(base_url=service.base_url))
    await made.providers.add_key("cloud", SECRET, "main", by="ann")
    told = await made.providers.test("cloud", None, None)
    assert (told["ok"], told["keys"]) == (True, [{"label": "main", "ok": True, "message": told["message"]}])
    assert made.providers.row("cloud")["health"]["state"] == "ok"
    service.script(accept_keys=["another"])
    told = await made.providers.test("cloud", None, None)
    assert not told["ok"]
    assert SECRET not in str(told)
    assert made.providers.row("cloud")["health"]["state"] == "failed"
    told = await made.providers.test("cloud", {"baseUrl": "http://127.0.0.1:9/v1"}, "another-key")
    assert not told["ok"]
    assert made.providers.row("cloud")["health"]["code"] == "provider_refused"
    service.script()
    told = await made.providers.test(
        "not-yet-there", {"kind": "openai", "baseUrl": service.base_url}, "a-new-key-of-mine"
    )
    assert told["ok"]
    assert "a-new-key-of-mine" in str(service.seen())
    with pytest.raises(NotFound):
        made.providers.row("not-yet-there")


async def test_models_are_asked_for_kept_and_told_beside_those_that_were_written_down(
    made: Desk, service: FakeProvider
) -> None:
    service.script(list=["gpt-4o", "m2", "m3"])
    await made.add("cloud", base_url=service.base_url, models=[{"name": "gpt-4o", "contextLength": 7}])
    told = await made.providers.models("cloud", refresh=True)
    assert "key" in told["problem"]
    await made.providers.add_key("cloud", SECRET, "main", by="ann")
    told = await made.providers.models("cloud", refresh=False)
    rows = {row["name"]: row for row in told["models"]}
    assert (rows["gpt-4o"]["source"], rows["gpt-4o"]["contextLength"]) == ("set", 7)
    assert rows["gpt-4o"]["suggested"]["asOf"] == "2025-06"
    assert set(rows) == {"gpt-4o", "m2", "m3"}
    assert {row["source"] for name, row in rows.items() if name != "gpt-4o"} == {"discovered"}
    assert (told["problem"], told["at"] is not None) == (None, True)
    service.script(accept_keys=["another"])
    asked = len(service.seen())
    assert (await made.providers.models("cloud", refresh=False))["problem"] is None
    assert len(service.seen()) == asked
    told = await made.providers.models("cloud", refresh=True)
    assert told["problem"]
    assert {row["name"] for row in told["models"]} == set(rows)


async def test_everybody_who_may_is_told_of_changes(made: Desk) -> None:
    with made.bus.subscribe("providers") as news:
        await made.add("cloud", **quiet())
        await made.providers.add_key("cloud", SECRET, None, by="ann")
        await made.providers.delete("cloud", by="ann")
        heard = [event async for _, event in first(news, 3)]
    assert [event["event"] for event in heard] == ["providers:changed"] * 3
    assert [len(event["providers"]) for event in heard] == [1, 1, 0]
    assert heard[2]["removed"] == ["cloud"]
    assert SECRET not in str(heard)


async def test_many_saves_at_once_count_once(made: Desk) -> None:
    await made.add("cloud", **quiet())
    saves = [made.providers.save("cloud", 1, {"description": str(number)}, by="ann") for number in range(20)]
    results = await asyncio.gather(*saves, return_exceptions=True)
    won = [result for result in results if isinstance(result, dict)]
    assert len(won) == 1
    assert all(isinstance(result, Conflict) for result in results if not isinstance(result, dict))
    assert made.providers.row("cloud")["description"] == won[0]["description"]


async def test_there_is_a_bound_and_the_trash_has_one_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corral.providers.directory.service.ProviderCodec.most", 3)
    async with desk(tmp_path) as made:
        for number in range(8):
            await made.add(f"p{number}", **quiet())
            await made.providers.delete(f"p{number}", by="ann")
        assert [one["name"] for one in made.providers.listing()["removed"]] == ["p5", "p6", "p7"]
        for number in range(3):
            await made.add(f"q{number}", **quiet())
        with pytest.raises(InvalidRequest, match="3 providers already"):
            await made.add("q9", **quiet())
        with pytest.raises(InvalidRequest, match="3 providers already"):
            await made.providers.restore("p7", by="ann")


def test_the_cards_and_the_modules_agree() -> None:
    from corral.providers.anthropic import AnthropicProvider
    from corral.providers.gemini import GeminiProvider
    from corral.providers.ollama import OllamaProvider
    from corral.providers.openai import OpenAIProvider

    usual = {card.kind: card.base_url for card in CARDS if card.kind != "compatible"}
    classes = (OpenAIProvider, AnthropicProvider, GeminiProvider, OllamaProvider)
    assert usual == {one.kind: one.default_url for one in classes}
    assert {card.vendor for card in CARDS if card.vendor is not None} == set(VENDORS)
    for card in CARDS:
        assert card.title
        assert card.description, card
        if card.vendor is not None and VENDORS[card.vendor].base_url:
            assert card.base_url == VENDORS[card.vendor].base_url


async def test_the_tables_are_as_the_code_says(location: Location) -> None:
    from sqlalchemy import inspect

    from corral.store.schema import metadata

    database = await Database.open(location)

    def work(connection: Connection) -> None:
        found = inspect(connection)
        for name in ("providers", "provider_keys", "routes", "limits"):
            table = metadata.tables[name]
            columns = {column["name"]: column["nullable"] for column in found.get_columns(name)}
            assert columns == {column.name: bool(column.nullable) for column in table.columns}, name
            indexed = {str(index["name"]) for index in found.get_indexes(name)}
            assert indexed >= {str(index.name) for index in table.indexes}, name

    await database.read(work)
    await database.close()


def test_health_is_told_without_its_key() -> None:
    assert "value" not in Health.__dataclass_fields__
