"""Engines that run with earlier settings are restarted on request: one after the other, told live, the old one serving on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from corral.kit.errors import Conflict
from tests.support.configuring import Room, configured
from tests.support.waiting import eventually


def states(room: Room) -> list[str]:
    renewal = room.configuration.everything()["renewal"]
    return [one["state"] for one in renewal["engines"]]


def ended(room: Room) -> bool:
    return not room.configuration.everything()["renewal"]["running"]


async def test_engines_are_restarted_one_after_the_other_and_each_step_is_told(tmp_path: Path) -> None:
    async with configured(tmp_path, None, "a", "b", "c") as room:
        room.engines.up, room.engines.old = {"a", "b", "c"}, {"a", "c"}
        assert room.configuration.everything()["renewal"] is None
        room.engines.gate = asyncio.Event()
        with room.bus.subscribe("config") as heard:
            begun = room.configuration.renewing.begin(None, by="ann")
            assert [(one["name"], one["state"]) for one in begun["engines"]] == [("a", "waiting"), ("c", "waiting")]
            await eventually(lambda: room.engines.asked == [("apply", "a")])
            assert states(room) == ["restarting", "waiting"]
            with pytest.raises(Conflict):
                room.configuration.renewing.begin(None, by="bob")
            room.engines.gate.set()
            await eventually(lambda: ended(room))
            told: list[Any] = []
            async for _, event in heard:
                told.append(event["renewal"])
                if not event["renewal"]["running"]:
                    break
        assert [[one["state"] for one in step["engines"]] for step in told] == [
            ["waiting", "waiting"], ["restarting", "waiting"], ["done", "waiting"], ["done", "restarting"], ["done", "done"],
            ["done", "done"],
        ]  # fmt: skip
        assert room.engines.asked == [("apply", "a"), ("apply", "c")]
        everything = room.configuration.everything()
        assert (everything["pending"], everything["renewal"]["by"]) == ([], "ann")


async def test_one_that_does_not_come_up_says_why_and_the_others_go_on(tmp_path: Path) -> None:
    async with configured(tmp_path, None, "a", "b") as room:
        room.engines.up, room.engines.old = {"a", "b"}, {"a", "b"}
        room.engines.refuse = [f"line {number}" for number in range(40)]
        room.configuration.renewing.begin(None, by="ann")
        await eventually(lambda: ended(room))
        first = room.configuration.everything()["renewal"]["engines"][0]
        assert (first["state"], first["serves"], len(first["lastLines"])) == ("failed", True, 12)
        assert "ended with code 1" in first["error"]
        assert states(room) == ["failed", "failed"]
        assert room.configuration.everything()["pending"] == ["a", "b"]


async def test_it_is_ended_after_the_present_one(tmp_path: Path) -> None:
    async with configured(tmp_path, None, "a", "b") as room:
        room.engines.up, room.engines.old = {"a", "b"}, {"a", "b"}
        room.engines.gate = asyncio.Event()
        room.configuration.renewing.begin(None, by="ann")
        await eventually(lambda: states(room) == ["restarting", "waiting"])
        assert (room.configuration.renewing.finish() or {})["stopping"]
        room.engines.gate.set()
        await eventually(lambda: ended(room))
        assert states(room) == ["done", "skipped"]


async def test_only_those_that_were_named_and_still_need_it(tmp_path: Path) -> None:
    async with configured(tmp_path, None, "a", "b", "c") as room:
        room.engines.up, room.engines.old = {"a", "b", "c"}, {"a", "b", "c"}
        room.engines.gate = asyncio.Event()
        room.configuration.renewing.begin(["a", "b", "unknown"], by="ann")
        await eventually(lambda: states(room) == ["restarting", "waiting"])
        room.engines.old.discard("b")
        room.engines.gate.set()
        await eventually(lambda: ended(room))
        assert states(room) == ["done", "skipped"]
        assert room.configuration.everything()["pending"] == ["c"]
        begun = room.configuration.renewing.begin(["a"], by="ann")
        assert (begun["running"], begun["engines"]) == (False, [])
