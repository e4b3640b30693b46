"""Templates, profiles, the trash, older files and remembered facts, on both databases."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from corral.kit.errors import Conflict, InvalidRequest, ModelNotFound, NotFound
from corral.models.configuration import trash
from corral.store import Location
from tests.support.configuring import changes_of, configured


async def test_templates_are_saved_from_a_model_and_put_on_others(tmp_path: Path, location: Location) -> None:
    async with configured(tmp_path, location, "a", "b", "c") as room:
        await room.save("a", seed=1, temperature=0.5)
        await room.save("b", seed=7, top_k=3)
        with room.bus.subscribe("templates") as told:
            made = await room.configuration.save_template("calm", values=None, model="a", by="ann", description="Quiet")
            assert (await anext(aiter(told)))[1]["event"] == "templates:changed"
        assert (made["values"], made["version"], made["problem"]) == ({"seed": 1, "temperature": 0.5}, 1, None)
        done = await room.configuration.apply_template("calm", ["b", "none", "b"], by="ann", apply=False)
        assert [(one["name"], one["ok"]) for one in done["results"]] == [("b", True), ("none", False)]
        assert room.own("b") == {"seed": 1, "temperature": 0.5, "top_k": 3}
        assert room.configuration.templates.listing()["assigned"] == {"a": "calm", "b": "calm"}
        await room.configuration.save_template("calm", values={"seed": 2}, model=None, by="bob", description=None)
    async with configured(tmp_path, location) as room:
        [template] = room.configuration.templates.listing()["templates"]
        assert (template["values"], template["version"], template["description"]) == ({"seed": 2}, 2, "Quiet")
        await room.configuration.templates.delete("calm", by="ann")
        [newest, *_] = await changes_of(room, scope="template")
        await room.configuration.roll_back(newest["id"], by="ann", apply=False)
        [template] = room.configuration.templates.listing()["templates"]
        assert template["values"] == {"seed": 2}


async def test_many_changes_at_once_are_told_together(tmp_path: Path) -> None:
    names = [f"m{number:02d}" for number in range(40)]
    async with configured(tmp_path, None, *names) as room:
        await room.configuration.profiles.save("bare", description=None, by="ann")
        await room.configuration.save_template("t", values={"seed": 1}, model=None, by="ann", description=None)
        for work in (
            room.configuration.apply_template("t", names, by="ann", apply=False),
            room.configuration.profiles.activate("bare", by="ann", apply=False),
        ):
            with room.bus.subscribe("config", limit=3) as told:
                done = await work
                assert [one["name"] for one in done["results"]] == names
                assert (await anext(aiter(told)))[1] == {
                    "event": "config:changed", "scope": "models", "name": "", "version": 0,
                }  # fmt: skip
        assert room.own("m07") == {}
        assert room.configuration.row("m07")["version"] == 2


async def test_a_template_from_a_newer_corral_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with configured(tmp_path, None, "a") as room:
        with pytest.raises(InvalidRequest, match="newer Corral"):
            await room.configuration.save_template(
                "t", values={"seed": 1}, model=None, by="ann", description=None, written_as=2
            )
        with pytest.raises(InvalidRequest) as caught:
            await room.configuration.save_template(
                "t", values={"seed": 1, "quantumLeap": True}, model=None, by="ann", description=None, written_as=1
            )
        assert set((caught.value.details or {})["fields"]) == {"quantumLeap"}
        for wrong in ({"values": None, "model": None}, {"values": {}, "model": "a"}):
            with pytest.raises(InvalidRequest):
                await room.configuration.save_template("t", by="ann", description=None, **wrong)
        assert room.configuration.templates.names() == []


async def test_a_kept_template_that_no_longer_fits_is_shown_with_its_problem(tmp_path: Path) -> None:
    from sqlalchemy import text

    async with configured(tmp_path, None, "a") as room:
        await room.configuration.save_template("t", values={"seed": 1}, model=None, by="ann", description=None)
        spoil = text("UPDATE model_templates SET options = '{\"gone_option\": 1}'")
        await room.database.write(lambda connection: connection.execute(spoil) and None)
    async with configured(tmp_path) as room:
        [template] = room.configuration.templates.listing()["templates"]
        assert "gone_option" in template["problem"]
        with pytest.raises(InvalidRequest):
            await room.configuration.apply_template("t", ["a"], by="ann", apply=False)


async def test_profiles_switch_a_whole_set_and_back(tmp_path: Path, location: Location) -> None:
    async with configured(tmp_path, location, "a", "b") as room:
        await room.save("a", seed=1)
        await room.configuration.save_everything(version=None, server={"threads": 1}, app=None, by="ann")
        await room.configuration.profiles.save("day", description="By day", by="ann")
        await room.save("a", seed=2)
        await room.save("b", seed=3)
        await room.configuration.save_everything(version=None, server={"threads": 2}, app=None, by="ann")
        await room.configuration.profiles.save("night", description=None, by="ann")
        for name, a, b, threads in (
            ("day", {"seed": 1}, {}, 1),
            ("night", {"seed": 2}, {"seed": 3}, 2),
            ("night", {"seed": 2}, {"seed": 3}, 2),
        ):
            assert (await room.configuration.profiles.activate(name, by="ann", apply=False))["ok"]
            assert (room.own("a"), room.own("b")) == (a, b)
            assert room.configuration.everything()["serverConfig"] == {"threads": threads}
            assert (await room.configuration.profiles.listing())["active"] == name
        await room.configuration.profiles.delete("night", by="ann")
        listing = await room.configuration.profiles.listing()
        assert ([one["name"] for one in listing["profiles"]], listing["active"]) == (["day"], None)
        with pytest.raises(NotFound):
            await room.configuration.profiles.activate("night", by="ann", apply=False)


async def test_a_switch_is_undone_exactly_and_done_again(tmp_path: Path, location: Location) -> None:
    async with configured(tmp_path, location, "a", "b", "c") as room:
        profiles = room.configuration.profiles
        await profiles.save("empty", description=None, by="ann")
        await room.save("a", seed=1, samplers=["top_k", "min_p"])
        await room.save("b", seed=2)
        await room.configuration.save_everything(version=None, server={"threads": 2}, app=None, by="ann")
        await profiles.save("day", description=None, by="ann")
        done = await profiles.activate("empty", by="ann", apply=False)
        assert (room.own("a"), room.own("b"), room.configuration.everything()["serverConfig"]) == ({}, {}, {})
        await room.save("c", seed=9)
        [change] = [one for one in await changes_of(room, scope="profile") if one["action"] == "activate"]
        assert (change["id"], change["undo"]) == (done["change"], {"models": 2, "server": True})
    async with configured(tmp_path, location) as room:
        profiles, back = room.configuration.profiles, room.configuration.roll_back
        undone = await back(done["change"], by="bob", apply=False)
        assert (undone["ok"], undone["active"], undone["scope"]) == (True, "day", "profile")
        assert (room.own("a"), room.own("b")) == ({"seed": 1, "samplers": ["top_k", "min_p"]}, {"seed": 2})
        assert room.configuration.everything()["serverConfig"] == {"threads": 2}
        assert room.own("c") == {"seed": 9}, "what the switch did not touch stays"
        assert (await profiles.listing())["active"] == "day"
        again = await back(undone["change"], by="bob", apply=False)
        assert (room.own("a"), again["active"]) == ({}, "empty")
        await profiles.activate("empty", by="bob", apply=False)
        assert (await profiles.activate("empty", by="bob", apply=False))["change"] is None


async def test_a_switch_is_not_undone_over_later_changes(tmp_path: Path) -> None:
    async with configured(tmp_path, None, "a", "b") as room:
        await room.configuration.profiles.save("empty", description=None, by="ann")
        await room.save("a", seed=1)
        await room.save("b", seed=1)
        done = await room.configuration.profiles.activate("empty", by="ann", apply=False)
        await room.save("a", ctx_size=512)
        await room.configuration.delete("b", by="ann", file=True)
        with pytest.raises(Conflict) as caught:
            await room.configuration.roll_back(done["change"], by="ann", apply=False)
        assert caught.value.details == {
            "diff": [
                {"name": "a", "gone": False, "options": {"ctxSize": {"before": None, "now": 512}}},
                {"name": "b", "gone": True, "options": {}},
            ],
            "more": 0,
        }
        assert room.own("a") == {"ctx_size": 512}
        await room.save("a", ctx_size=None)
        await room.configuration.restore("b", by="ann")
        assert (await room.configuration.roll_back(done["change"], by="ann", apply=False))["ok"]
        assert (room.own("a"), room.own("b")) == ({"seed": 1}, {"seed": 1})


async def test_only_the_last_switches_can_be_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corral.models.configuration.profiles.UNDOABLE", 2)
    async with configured(tmp_path, None, "a") as room:
        await room.configuration.profiles.save("empty", description=None, by="ann")
        await room.save("a", seed=1)
        await room.configuration.profiles.save("one", description=None, by="ann")
        for name in ("empty", "one", "empty"):
            await room.configuration.profiles.activate(name, by="ann", apply=False)
        switches = [one for one in await changes_of(room, scope="profile") if one["action"] == "activate"]
        assert ["undo" in one for one in switches] == [True, True, False]
        for change in (switches[2], (await changes_of(room, scope="profile"))[-1]):
            with pytest.raises(InvalidRequest, match="cannot be undone"):
                await room.configuration.roll_back(change["id"], by="ann", apply=False)


async def test_of_two_undos_at_once_one_is_refused(tmp_path: Path) -> None:
    async with configured(tmp_path, None, "a") as room:
        await room.configuration.profiles.save("empty", description=None, by="ann")
        await room.save("a", seed=1)
        done = await room.configuration.profiles.activate("empty", by="ann", apply=False)
        both = [room.configuration.roll_back(done["change"], by="ann", apply=False) for _ in range(2)]
        results = await asyncio.gather(*both, return_exceptions=True)
        # Which of them comes first is the database's to say.
        assert sorted(isinstance(one, Conflict) for one in results) == [False, True]
        assert room.own("a") == {"seed": 1}


async def test_an_engine_that_refuses_what_held_before_keeps_what_it_has(tmp_path: Path) -> None:
    async with configured(tmp_path, None, "a", "b") as room:
        await room.configuration.profiles.save("empty", description=None, by="ann")
        await room.save("a", seed=1)
        await room.save("b", seed=1)
        done = await room.configuration.profiles.activate("empty", by="ann", apply=False)
        room.engines.up.add("a")
        room.engines.refuse = ["no"]
        undone = await room.configuration.roll_back(done["change"], by="ann", apply=True)
        assert [(one["name"], one["ok"]) for one in undone["results"]] == [("a", False), ("b", True)]
        assert (room.own("a"), room.own("b"), undone["ok"]) == ({}, {"seed": 1}, False)


async def test_a_profile_that_one_engine_refuses_leaves_that_model_alone(tmp_path: Path) -> None:
    async with configured(tmp_path, None, "a", "b") as room:
        await room.save("a", seed=1)
        await room.save("b", seed=1)
        await room.configuration.profiles.save("p", description=None, by="ann")
        await room.save("a", seed=2)
        await room.save("b", seed=2)
        room.engines.up.add("a")
        room.engines.refuse = ["no"]
        done = await room.configuration.profiles.activate("p", by="ann", apply=True)
        assert [(one["name"], one["ok"]) for one in done["results"]] == [("a", False), ("b", True)]
        assert (room.own("a"), room.own("b"), done["ok"]) == ({"seed": 2}, {"seed": 1}, False)


async def test_what_was_set_can_be_taken_away_and_had_back(tmp_path: Path, location: Location) -> None:
    async with configured(tmp_path, location, "a") as room:
        await room.save("a", seed=1)
        gone = await room.configuration.delete("a", by="ann", file=False)
        assert (room.own("a"), gone["removed"]["file"]) == ({}, False)
        assert room.registry.has("a")
    async with configured(tmp_path, location) as room:
        await room.configuration.restore("a", by="ann")
        assert room.own("a") == {"seed": 1}
        with pytest.raises(NotFound):
            await room.configuration.restore("a", by="ann")


async def test_a_file_goes_to_the_trash_and_comes_back_with_what_was_set(tmp_path: Path) -> None:
    async with configured(tmp_path, None, "a", "b") as room:
        await room.save("a", seed=1)
        content = (tmp_path / "models" / "a.gguf").read_bytes()
        room.engines.up.add("a")
        await room.configuration.delete("a", by="ann", file=True)
        assert room.engines.asked == [("stop", "a")]
        assert [model.name for model in room.registry.all()] == ["b"]
        assert [path.name for path in (tmp_path / "trash").rglob("*.gguf")] == ["a.gguf"]
    async with configured(tmp_path) as room:
        with pytest.raises(ModelNotFound):
            await room.configuration.delete("a", by="ann", file=True)
        await room.configuration.restore("a", by="ann")
        assert (tmp_path / "models" / "a.gguf").read_bytes() == content
        assert room.own("a") == {"seed": 1}
        assert room.registry.has("a")


async def test_a_split_model_goes_as_a_whole_and_a_taken_place_is_not_overwritten(tmp_path: Path) -> None:
    from tests.support.gguf_files import write

    for part in (1, 2):
        write(tmp_path / "models" / f"big-{part:05d}-of-00002.gguf", split__count=2)
    async with configured(tmp_path) as room:
        await room.configuration.delete("big", by="ann", file=True)
        assert not list((tmp_path / "models").glob("*.gguf"))
        write(tmp_path / "models" / "big-00002-of-00002.gguf", split__count=2)
        with pytest.raises(Conflict, match="is there already"):
            await room.configuration.restore("big", by="ann")
        assert len(list((tmp_path / "trash").rglob("*.gguf"))) == 2
        (tmp_path / "models" / "big-00002-of-00002.gguf").unlink()
        await room.configuration.restore("big", by="ann")
        assert len(list((tmp_path / "models").glob("*.gguf"))) == 2


async def test_after_a_week_the_trash_is_emptied(
    tmp_path: Path, location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with configured(tmp_path, location, "a", "b", "c") as room:
        await room.save("a", seed=1)
        await room.save("b", seed=1)
        await room.configuration.delete("a", by="ann", file=True)
        await room.configuration.delete("b", by="ann", file=False)
        await room.configuration.removing.empty_trash()
        assert len(list((tmp_path / "trash").rglob("*.gguf"))) == 1
        monkeypatch.setattr(trash, "KEEP_MILLISECONDS", -1)
        await room.configuration.removing.empty_trash()
        assert not list((tmp_path / "trash").iterdir())
        for name in ("a", "b"):
            with pytest.raises(NotFound):
                await room.configuration.restore(name, by="ann")
        assert room.registry.has("b")


async def test_a_file_that_cannot_be_moved_stays_with_all_that_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with configured(tmp_path, None, "a") as room:
        await room.save("a", seed=1)
        (tmp_path / "trash").write_text("in the way")
        with pytest.raises(Conflict, match="cannot be moved"):
            await room.configuration.delete("a", by="ann", file=True)
        assert room.own("a") == {"seed": 1}
        assert room.registry.has("a")
        with pytest.raises(NotFound):
            await room.configuration.restore("a", by="ann")


async def test_an_older_dashboards_files_are_taken_over(tmp_path: Path) -> None:
    server = {
        "host": "localhost", "port": 8134, "basePath": str(tmp_path / "more"), "serverPath": "/opt/llama-server", "ctx_size": 8192,
        "batch_size": 512, "threads": -1, "gpu_layers": -1, "colour": "blue", "mirostat": 99,
    }  # fmt: skip
    (tmp_path / "more").mkdir(exist_ok=True)
    nothing: tuple[dict[str, Any], ...] = ({}, {"colour": "blue"}, {"model_templates": []})
    async with configured(tmp_path, None, "llama2-7b", "b") as room:
        taken = await room.configuration.take_over(server, None, by="ann")
        assert taken["kind"] == "llama-server-config"
        assert taken["imported"] == {
            "serverConfig": {"ctxSize": 8192, "batchSize": 512, "threads": -1, "gpuLayers": -1},
            "models": [str(tmp_path / "more")],
        }
        assert {one["key"] for one in taken["skipped"]} == {"host", "port", "serverPath", "colour", "mirostat"}
        templates = {"default_model": "b", "model_templates": {"llama2-7b": "llama-2-7b", "gone": "x", "b": 3}}
        taken = await room.configuration.take_over(json.loads(json.dumps(templates)), None, by="ann")
        assert taken["imported"] == {"defaultModel": "b", "modelTemplates": {"llama2-7b": "llama-2-7b"}}
        assert {one["key"] for one in taken["skipped"]} == {"model_templates.gone", "model_templates.b"}
        assert room.configuration.templates.listing()["assigned"] == {"llama2-7b": "llama-2-7b"}
        for wrong in nothing:
            with pytest.raises(InvalidRequest):
                await room.configuration.take_over(wrong, None, by="ann")


async def test_facts_are_remembered_so_that_unchanged_files_are_not_read_again(
    tmp_path: Path, location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    from corral.models import registry
    from corral.models.describe import describe
    from tests.support.gguf_files import write

    (tmp_path / "models").mkdir(exist_ok=True)
    (tmp_path / "models" / "broken.gguf").write_bytes(b"GGUF")
    async with configured(tmp_path, location, "a", "b") as room:
        first = {model.name: model for model in room.registry.all()}
    read: list[str] = []

    def described(name: str, *args: Any, **more: Any) -> Any:
        read.append(name)
        return describe(name, *args, **more)

    monkeypatch.setattr(registry, "describe", described)
    async with configured(tmp_path, location) as room:
        assert {model.name: model for model in room.registry.all()} == first
        # What could not be read is tried again.
        assert read == ["broken"]
    write(tmp_path / "models" / "b.gguf", general__name="Other")
    read.clear()
    async with configured(tmp_path, location) as room:
        assert room.registry.get("b").title == "Other"
        assert sorted(read) == ["b", "broken"]
    read.clear()
    async with configured(tmp_path, location) as room:
        assert room.registry.get("b").title == "Other"
        assert read == ["broken"]


async def test_the_last_fit_analysis_is_kept(tmp_path: Path, location: Location) -> None:
    sizes = dict.fromkeys(
        ("total", "weights", "kv", "compute", "output", "projector", "draft", "prompt_cache", "runtime", "machine_total", "machine_available"), 5
    )  # fmt: skip
    values = {f"{name}_bytes": size for name, size in sizes.items()}
    values |= {"options": "{}", "verdict": "tight", "reason": "because", "per_device": "{}", "recommended": "{}"}  # type: ignore[dict-item]
    async with configured(tmp_path, location, "a") as room:
        assert await room.configuration.fit("a") is None
        await room.configuration.put_fit("a", {**values, "verdict": "no"})
        await room.configuration.put_fit("a", values)
        assert room.configuration.row("a")["fit"] == "tight"
    async with configured(tmp_path, location) as room:
        assert room.configuration.row("a")["fit"] == "tight"
        kept = await room.configuration.fit("a")
        assert kept is not None
        assert (kept["kv_bytes"], kept["reason"]) == (5, "because")
