"""Levels of the log that are changed while the server runs: kept in corral.toml, told with their source, and taken back."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corral.kit.errors import InvalidRequest
from corral.monitoring.logs import Logs
from corral.settings import load_settings
from corral.telemetry import Levels, LogHub
from tests.support.configuring import Room, changes_of, configured


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    for name in ("corral.agents", "engine", "corral.engines"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def of(room: Room) -> Logs:
    """The log of a server that has just started with the room's settings."""
    now = room.configuration.settings.now
    levels = Levels(now.log_level)
    levels.change(rules=now.log_rules)
    return Logs(LogHub(levels), None, room.bus, room.configuration.settings)


def told(config: dict[str, Any]) -> tuple[str, dict[str, str]]:
    return config["level"], config["levels"]


async def test_levels_outlive_a_restart_name_their_source_and_are_reset(tmp_path: Path) -> None:
    file = tmp_path / "corral.toml"
    file.write_text("# by hand\nslots = 2\n")
    async with configured(tmp_path, None, "a") as room:
        logs = of(room)
        assert (await logs.config())["origin"]["level"] == {"source": "default", "unkept": None}
        await logs.change("debug", {"corral.agents": "error", "engine:a = b": "info"}, by="ann")
        await logs.change(None, {"engine:a = b": None, "engine": "warning"}, by="ann")
    async with configured(tmp_path, None) as room:
        logs = of(room)
        config = await logs.config()
        assert told(config) == ("debug", {"corral.agents": "error", "engine": "warning"})
        assert config["origin"]["levels"] == {"source": str(file), "unkept": None}
        assert logging.getLogger("corral.agents").level == logging.ERROR
        assert [change["by"] for change in await changes_of(room, scope="app")] == ["ann", "ann"]
        with pytest.raises(InvalidRequest):
            await logs.change("info", None, reset=True)
        back = await logs.change(None, None, reset=True, by="ann")
        assert told(back) == ("info", {})
        assert back["origin"] == {name: {"source": "default", "unkept": None} for name in ("level", "levels")}
        assert logging.getLogger("corral.agents").level == logging.NOTSET
        assert file.read_text() == "# by hand\nslots = 2\n"


async def test_what_the_environment_sets_counts_again_with_the_next_start(tmp_path: Path) -> None:
    environ = {"CORRAL_LOG_LEVEL": "warning"}
    async with configured(tmp_path, None, "a", environ=environ) as room:
        logs = of(room)
        told_now = await logs.change("debug", {"engine": "error"}, by="ann")
        assert told(told_now) == ("debug", {"engine": "error"})
        assert told_now["origin"]["level"] == {
            "source": "CORRAL_LOG_LEVEL", "unkept": "CORRAL_LOG_LEVEL sets it at the next start",
        }  # fmt: skip
        assert told_now["origin"]["levels"]["unkept"] is None
    async with configured(tmp_path, None, environ=environ) as room:
        logs = of(room)
        assert told(await logs.config()) == ("warning", {"engine": "error"})
        await logs.change("debug", None, by="ann")
        assert told(await logs.change(None, None, reset=True, by="ann")) == ("warning", {})


async def test_a_file_that_cannot_be_written_does_not_keep_levels_from_counting(tmp_path: Path) -> None:
    async with configured(tmp_path, None, "a") as room:
        logs = of(room)
        (tmp_path / "corral.toml").mkdir()
        config = await logs.change("debug", None, by="ann")
        assert config["level"] == "debug"
        assert "cannot be written" in config["origin"]["level"]["unkept"]
        (tmp_path / "corral.toml").rmdir()
        config = await logs.change("debug", None, by="ann")
        assert config["origin"]["level"] == {"source": str(tmp_path / "corral.toml"), "unkept": None}


async def test_a_refused_level_changes_and_keeps_nothing(tmp_path: Path) -> None:
    async with configured(tmp_path, None, "a") as room:
        logs = of(room)
        for wrong in ({"x": "loud"}, {"": "info"}, {"x\n": "info"}, {f"s{number}": "info" for number in range(101)}):
            with pytest.raises(InvalidRequest):
                await logs.change("debug", wrong, by="ann")
        assert told(await logs.config()) == ("info", {})
        assert not (tmp_path / "corral.toml").exists()


async def test_levels_follow_the_settings_page_and_the_history(tmp_path: Path) -> None:
    async with configured(tmp_path, None, "a") as room:
        logs, save = of(room), room.configuration.save_everything
        app = {"logLevel": "error", "logLevels": ["corral.engines=debug"]}
        answer = await save(version=None, server=None, app=app, by="ann")
        assert answer["restart"] == []
        assert told(await logs.config()) == ("error", {"corral.engines": "debug"})
        assert room.engines.asked == []
        [change] = await changes_of(room, scope="app")
        await room.configuration.roll_back(change["id"], by="ann", apply=False)
        assert told(await logs.config()) == ("info", {})
        with pytest.raises(InvalidRequest) as caught:
            await save(version=None, server=None, app={"logLevels": ["corral.engines"]}, by="ann")
        assert "each is source=level" in (caught.value.details or {})["fields"]["logLevels"]


def test_the_environment_can_name_levels_of_sources(tmp_path: Path) -> None:
    environ = {"CORRAL_LOG_LEVELS": "engine:a=b=debug, corral.agents=error,"}
    settings = load_settings({"data": tmp_path}, environ=environ).settings
    assert settings.log_rules == {"engine:a=b": "debug", "corral.agents": "error"}
