"""What is set for models, on both databases: kept, checked, versioned, taken back, and never half done."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from corral.kit.errors import ConfigRefused, Conflict, InvalidRequest, ModelNotFound, NotFound
from corral.store import Location
from tests.support.configuring import changes_of, configured
from tests.support.waiting import eventually

EVERY_KIND: dict[str, Any] = {
    "ctx_size": 2048, "flash_attn": "on", "pinned": True, "temperature": 0.25, "samplers": ["top_k", "temperature"], "grammar": 'root ::= "ja"\n', "cache_type_k": "q8_0", "tensor_split": [3.0, 1.0],
    "rope_freq_base": 10000.0, "lora": ["a.gguf"], "lora_scales": [0.5], "chat_template_kwargs": {"a": [1, None, "é"]},
}  # fmt: skip
"""One value of each kind of column, in each table that a model has."""


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
        assert await changes_of(room) == []


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
        third, second, _ = await changes_of(room, scope="model", name="a")
        assert (third["by"], third["version"], third["before"], third["after"]) == ("ann", 3, {"seed": 2}, {"seed": 3})
        assert second["after"] == {"seed": 2, "temperature": 0.5}
        await room.configuration.roll_back(second["id"], by="bob", apply=False)
        assert room.own("a") == {"seed": 1}
        assert room.own("b") == {"seed": 9}
        newest = (await changes_of(room, scope="model", name="a"))[0]
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
        [entry] = await changes_of(room, scope="server")
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
        [entry] = await changes_of(room, scope="app")
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
