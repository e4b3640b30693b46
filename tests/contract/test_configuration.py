"""What is set for models, on both databases: kept, checked, versioned, taken back, and never half done."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from corral.kit.errors import ConfigRefused, Conflict, InvalidRequest, ModelNotFound, NotFound
from corral.models.configuration import trash
from corral.store import Location
from tests.support.configuring import Room, configured
from tests.support.postgres import Postgres
from tests.support.waiting import eventually

EVERY_KIND: dict[str, Any] = {
    "ctx_size": 2048, "flash_attn": "on", "pinned": True, "temperature": 0.25, "samplers": ["top_k", "temperature"], "grammar": 'root ::= "ja"\n', "cache_type_k": "q8_0", "tensor_split": [3.0, 1.0],
    "rope_freq_base": 10000.0, "lora": ["a.gguf"], "lora_scales": [0.5], "chat_template_kwargs": {"a": [1, None, "é"]},
}  # fmt: skip
"""One value of each kind of column, in each table that a model has."""


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    if request.param == "sqlite":
        return Location(tmp_path / "corral.db")
    server: Postgres = request.getfixturevalue("postgres")
    return Location(tmp_path / "corral.db", server.database())


async def _changes(room: Room, **filters: Any) -> list[dict[str, Any]]:
    wanted = {"scope": None, "name": None, "before": None, "limit": 100, **filters}
    entries: list[dict[str, Any]] = (await room.configuration.history(**wanted))["entries"]
    return entries


async def test_every_kind_of_value_is_there_after_a_restart(tmp_path: Path, location: Location) -> None:
    async with configured(tmp_path, location, "a", "b") as room:
        await room.save("a", **EVERY_KIND)
        assert room.own("a") == EVERY_KIND
    async with configured(tmp_path, location) as room:
        assert room.own("a") == EVERY_KIND
        assert room.own("b") == {}
        assert room.configuration.row("a") == {"version": 1, "changed": len(EVERY_KIND), "template": None, "fit": None}
        await room.save("a", False, **dict.fromkeys(EVERY_KIND))
        assert room.own("a") == {}
    async with configured(tmp_path, location) as room:
        assert room.own("a") == {}
        assert room.configuration.row("a")["version"] == 2


async def test_the_models_own_go_over_those_of_all_over_the_settings_over_defaults(tmp_path: Path) -> None:
    (tmp_path / "corral.toml").write_text("context_length = 1024\nslots = 2\n")
    async with configured(tmp_path, None, "a", "b") as room:
        await room.configuration.save_everything(version=0, server={"parallel": 3, "threads": 2}, app=None, by="ann")
        await room.save("a", threads=1)
        detail = room.configuration.detail("a")["configuration"]
        values, sources = detail["effective"], detail["sources"]
        shown = {name: (values.get(name), sources[name]) for name in ("threads", "parallel", "ctxSize", "batchSize")}
        assert shown == {
            "threads": (1, "model"), "parallel": (3, "server"), "ctxSize": (1024, "settings"), "batchSize": (512, "default"),
        }  # fmt: skip
        assert room.configuration.set_for("b") == {"parallel": 3, "threads": 2}
        assert detail["own"] == {"threads": 1}


async def test_a_stale_save_is_refused_with_what_changed_meanwhile(tmp_path: Path, location: Location) -> None:
    async with configured(tmp_path, location, "a") as room:
        await room.save("a", ctx_size=1024)
        await room.save("a", ctx_size=2048, temperature=0.5)
        await room.save("a", temperature=0.7)
        with pytest.raises(Conflict) as caught:
            await room.configuration.save("a", 1, {"ctxSize": 512}, by="bob", apply=False)
        assert caught.value.details == {
            "version": 3,
            "diff": {"ctxSize": {"before": 1024, "now": 2048}, "temperature": {"before": None, "now": 0.7}},
        }
        with pytest.raises(Conflict):
            await room.configuration.save("a", 99, {"ctxSize": 512}, by="bob", apply=False)
        assert room.own("a") == {"ctx_size": 2048, "temperature": 0.7}


async def test_of_two_saves_at_once_one_wins(tmp_path: Path, location: Location) -> None:
    async with configured(tmp_path, location, "a") as room:
        saves = [room.configuration.save("a", 0, {"seed": number}, by="ann", apply=False) for number in range(1, 9)]
        done = await asyncio.gather(*saves, return_exceptions=True)
        assert [isinstance(one, Conflict) for one in done].count(False) == 1
        assert room.configuration.row("a")["version"] == 1


@pytest.mark.parametrize(
    ("changes", "fields"),
    [({"ctxSzie": 1}, {"ctxSzie"}), ({"ctxSize": "many", "topP": 7}, {"ctxSize", "topP"}), ({"threadsHttp": 2}, {"threadsHttp"}),
     ({"host": "0.0.0.0"}, {"host"}), ({"cacheTypeV": "q8_0", "flashAttn": "off"}, {"cacheTypeV"}), ({"device": ["x"]}, {"device"}),
     ({"ctxSize": 1024, "ctx_size": 2048}, {"ctx_size"}), ({"": 1}, {""}), ({"model": "/etc/passwd"}, {"model"})],
)  # fmt: skip
async def test_what_is_refused_says_why_beside_each_field(
    tmp_path: Path, changes: dict[str, Any], fields: set[str]
) -> None:
    async with configured(tmp_path, None, "a") as room:
        with pytest.raises(InvalidRequest) as caught:
            await room.configuration.save("a", 0, changes, by="ann", apply=False)
        assert set((caught.value.details or {})["fields"]) == fields
        assert room.own("a") == {}
        assert await _changes(room) == []


async def test_a_model_that_there_is_not(tmp_path: Path) -> None:
    async with configured(tmp_path, None, "alpha") as room:
        with pytest.raises(ModelNotFound, match="alpha"):
            await room.configuration.save("alpa", 0, {}, by="ann", apply=False)


async def test_a_change_that_the_engine_does_not_start_with_is_not_taken(tmp_path: Path, location: Location) -> None:
    async with configured(tmp_path, location, "a") as room:
        await room.save("a", temperature=0.5)
        room.engines.up.add("a")
        room.engines.refuse = ["loading", "error while handling argument --rope-scaling: no such kind"]
        with pytest.raises(ConfigRefused) as caught:
            await room.save("a", apply=True, rope_scaling="yarn", seed=3)
        details = caught.value.details or {}
        assert details["fields"] == {"ropeScaling": "error while handling argument --rope-scaling: no such kind"}
        assert details["lastLines"] == room.engines.refuse
        assert room.own("a") == {"temperature": 0.5}
        assert room.configuration.row("a")["version"] == 1
        room.engines.refuse = None
        assert await room.save("a", apply=True, rope_scaling="yarn") == "now"
        assert await room.save("a", rope_scaling="linear") == "next"
        room.engines.up.clear()
        assert await room.save("a", apply=True, rope_scaling="none") == "next"
        assert room.engines.asked == [("apply", "a"), ("apply", "a")]


async def test_while_the_engine_tries_a_change_it_counts_and_afterwards_it_does_not(tmp_path: Path) -> None:
    async with configured(tmp_path, None, "a") as room:
        await room.save("a", seed=1)
        room.engines.up.add("a")
        seen = []

        async def apply(name: str) -> None:
            seen.append(room.configuration.set_for(name))

        room.engines.apply = apply  # type: ignore[method-assign]
        await room.save("a", apply=True, seed=2)
        assert seen == [{"seed": 2}]
        assert room.own("a") == {"seed": 2}


async def test_what_needs_no_new_start_is_taken_at_once(tmp_path: Path) -> None:
    async with configured(tmp_path, None, "a") as room:
        room.engines.up.add("a")
        assert await room.save("a", pinned=True) == "now"
        assert await room.save("a", pinned=False, ctx_size=1024) == "next"
        await room.configuration.save_everything(version=None, server={"idle_stop": 5}, app=None, by="ann")
        await room.configuration.save_everything(version=None, server=None, app={"idleSleep": 7}, by="ann")
        assert room.engines.asked == [("apply", "a"), ("renew", ""), ("renew", "")]


async def test_the_history_says_who_changed_what_and_one_click_takes_it_back(
    tmp_path: Path, location: Location
) -> None:
    async with configured(tmp_path, location, "a", "b") as room:
        for number in (1, 2, 3):
            more: dict[str, Any] = {"temperature": 0.5} if number == 2 else {}
            await room.save("a", False, seed=number, **more)
        await room.save("b", seed=9)
        third, second, _ = await _changes(room, scope="model", name="a")
        assert (third["by"], third["version"], third["before"], third["after"]) == ("ann", 3, {"seed": 2}, {"seed": 3})
        assert second["after"] == {"seed": 2, "temperature": 0.5}
        await room.configuration.roll_back(second["id"], by="bob", apply=False)
        assert room.own("a") == {"seed": 1}
        assert room.own("b") == {"seed": 9}
        newest = (await _changes(room, scope="model", name="a"))[0]
        assert (newest["action"], newest["by"], newest["version"]) == ("rollback", "bob", 4)
        await room.configuration.roll_back(newest["id"], by="bob", apply=False)
        assert room.own("a") == {"seed": 3, "temperature": 0.5}
        with pytest.raises(NotFound):
            await room.configuration.roll_back("chg_none", by="bob", apply=False)


async def test_the_history_comes_in_pages_and_does_not_grow_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corral.models.configuration.records.KEPT", 7)
    async with configured(tmp_path, None, "a") as room:
        for number in range(12):
            await room.save("a", seed=number)
        first = await room.configuration.history(scope=None, name=None, before=None, limit=4)
        rest = await room.configuration.history(scope=None, name=None, before=first["nextBefore"], limit=4)
        versions = [entry["version"] for entry in (*first["entries"], *rest["entries"])]
        assert versions == [12, 11, 10, 9, 8, 7, 6]
        assert "nextBefore" not in rest


async def test_settings_of_all_models_have_versions_and_history_too(tmp_path: Path, location: Location) -> None:
    async with configured(tmp_path, location, "a") as room:
        told = await room.configuration.save_everything(
            version=0, server={"threads": 2, "timeout": 60}, app=None, by="ann"
        )
        assert (told["serverConfig"], told["version"]) == ({"threads": 2, "timeout": 60}, 1)
        with pytest.raises(Conflict) as caught:
            await room.configuration.save_everything(version=0, server={"threads": 4}, app={"slots": 9}, by="ann")
        assert (caught.value.details or {})["diff"]["threads"] == {"before": None, "now": 2}
        assert room.configuration.everything()["appConfig"]["slots"] == 4
        with pytest.raises(InvalidRequest):
            await room.configuration.save_everything(version=1, server={"lora": ["x"]}, app=None, by="ann")
        [entry] = await _changes(room, scope="server")
        await room.configuration.roll_back(entry["id"], by="ann", apply=False)
        assert room.configuration.everything()["serverConfig"] == {}


async def test_settings_of_the_program_are_written_and_some_count_at_once(tmp_path: Path) -> None:
    (tmp_path / "corral.toml").write_text("# by hand\nqueue = 9\n")
    async with configured(tmp_path, None, "a", environ={"CORRAL_LOG_LEVEL": "error"}) as room:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        app = {"slots": 8, "queue": None, "maxAnswerTokens": 99, "defaultModel": "a", "models": [str(elsewhere)]}
        told = await room.configuration.save_everything(version=None, server=None, app=app, by="ann")
        rows = {row["name"]: row for row in told["settings"]}
        assert told["restart"] == ["queue", "maxAnswerTokens"]
        assert room.configuration.settings.now.slots == 8
        assert room.configuration.settings.now.max_answer_tokens == 2048
        assert (rows["slots"]["source"], rows["slots"]["restart"]) == (str(tmp_path / "corral.toml"), False)
        assert (rows["logLevel"]["editable"], rows["logLevel"]["reason"]) == (False, "is set by CORRAL_LOG_LEVEL")
        assert not {"databaseUrl", "engines"} & set(rows)
        (tmp_path / "models" / "a.gguf").rename(elsewhere / "c.gguf")
        await eventually(lambda: [model.name for model in room.registry.all()] == ["c"])
        [entry] = await _changes(room, scope="app")
        assert (entry["before"]["queue"], entry["after"]["queue"]) == (9, 256)
        await room.configuration.roll_back(entry["id"], by="ann", apply=False)
        assert room.configuration.settings.now.slots == 4
        assert (tmp_path / "corral.toml").read_text() == "# by hand\nqueue = 9\n"


@pytest.mark.parametrize(
    ("app", "field"),
    [({"defaultModel": "none"}, "defaultModel"), ({"slots": 0}, "slots"), ({"slotz": 1}, "slotz"), ({"host": "0.0.0.0"}, "host"),
     ({"engines": {}}, "engines"), ({"logLevel": "debug"}, "logLevel"), ({"models": [3]}, "models"), ({"faultpoint": "x"}, "faultpoint"), ({"hubToken": "x"}, "hubToken")],
)  # fmt: skip
async def test_a_refused_setting_says_why(tmp_path: Path, app: dict[str, Any], field: str) -> None:
    async with configured(tmp_path, None, "a", environ={"CORRAL_LOG_LEVEL": "error"}) as room:
        with pytest.raises(InvalidRequest) as caught:
            await room.configuration.save_everything(version=None, server={"threads": 2}, app=app, by="ann")
        assert set((caught.value.details or {})["fields"]) == {field}
        assert room.configuration.everything()["serverConfig"] == {}
        assert not (tmp_path / "corral.toml").exists()


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
        [newest, *_] = await _changes(room, scope="template")
        await room.configuration.roll_back(newest["id"], by="ann", apply=False)
        [template] = room.configuration.templates.listing()["templates"]
        assert template["values"] == {"seed": 2}


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
        await room.configuration.empty_trash()
        assert len(list((tmp_path / "trash").rglob("*.gguf"))) == 1
        monkeypatch.setattr(trash, "KEEP_MILLISECONDS", -1)
        await room.configuration.empty_trash()
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
    (tmp_path / "more").mkdir()
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

    (tmp_path / "models").mkdir()
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
