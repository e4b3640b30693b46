"""Downloads from a hub that behaves, and from one that does not: what comes is whole, and goes on where it was."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corral.kit.errors import Conflict
from corral.models.downloads.types import HubFile
from tests.support.downloads import FILE, HERE, MIB, PART, REPO, ended, left_over, model, room
from tests.support.hub import FakeHub
from tests.support.server import Server
from tests.support.waiting import eventually


async def test_a_model_comes_whole_and_is_found(tmp_path: Path, hub: FakeHub) -> None:
    data = model()
    hub.put(f"{REPO}/{FILE}", data)
    async with room(tmp_path, hub) as here:
        hub.act(stall=100_000)
        started = await here.downloads.begin(f"{REPO}:q8_0")
        assert (await here.downloads.begin(REPO, files=[FILE]))["id"] == started["id"]
        await here.downloads.pause(started["id"])
        hub.act()
        await here.downloads.resume(started["id"])
        one = await ended(here, started["id"])
        assert (one["state"], one["done"], one["total"], one["model"]) == ("done", len(data), len(data), "Small-Q8_0")
        assert (here.models / HERE).read_bytes() == data
        assert left_over(here) == [HERE]
        assert here.arrived == [here.models / HERE]
        again = await ended(here, (await here.downloads.begin(REPO))["id"])
        assert again["state"] == "done"
    assert hub.seen()[-1]["authorization"] is None


@pytest.mark.parametrize(
    "how", [{"cut": 700_000, "cuts": 3}, {"status": 503, "statuses": 3}, {"status": 429, "statuses": 2}]
)
async def test_a_connection_that_breaks_is_resumed_where_it_was(
    tmp_path: Path, hub: FakeHub, how: dict[str, Any]
) -> None:
    data = model()
    hub.put(f"{REPO}/{FILE}", data)
    async with room(tmp_path, hub) as here:
        hub.act(**how)
        one = await ended(here, (await here.downloads.begin(REPO, quant="Q8_0"))["id"])
        assert one["state"] == "done", one
        assert (here.models / HERE).read_bytes() == data
    ranges = [seen["range"] for seen in hub.seen()]
    if "cut" in how:
        assert ranges == [None, "bytes=700000-", "bytes=1400000-", "bytes=2100000-"]


async def test_a_server_without_ranges_sends_it_again_from_the_start(tmp_path: Path, hub: FakeHub) -> None:
    data = model()
    hub.put(f"{REPO}/{FILE}", data)
    async with room(tmp_path, hub) as here:
        hub.act(cut=1_000_000, cuts=1, ignore_range=True)
        one = await ended(here, (await here.downloads.begin(REPO, quant="Q8_0"))["id"])
        assert (one["state"], one["done"]) == ("done", len(data))
        assert (here.models / HERE).read_bytes() == data


async def test_a_hub_that_always_breaks_off_fails_with_what_came_kept(tmp_path: Path, hub: FakeHub) -> None:
    hub.put(f"{REPO}/{FILE}", model())
    async with room(tmp_path, hub) as here:
        hub.act(cut=0, cuts=1000)
        one = await ended(here, (await here.downloads.begin(REPO, quant="Q8_0"))["id"])
        assert one["state"] == "failed"
        assert "8 times in a row" in one["problem"]
        hub.act()
        await here.downloads.resume(one["id"])
        assert (await ended(here, one["id"]))["state"] == "done"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"hashes": {FILE: "0" * 64}}, "checksum"),
        ({"listed": {FILE: 1_000_000}}, "lists 1000000 bytes"),
        ({"listed": {FILE: 9_000_000}}, "lists 9000000 bytes"),
        ({"sent": 2_000_000}, "sends 2000000"),
        ({"more": 100_000}, "more than it announced"),
    ],
    ids=["checksum", "listed too small", "listed too large", "announced wrongly", "endless"],
)
async def test_what_is_not_as_announced_is_thrown_away(
    tmp_path: Path, hub: FakeHub, how: dict[str, Any], words: str
) -> None:
    hub.put(f"{REPO}/{FILE}", model())
    async with room(tmp_path, hub) as here:
        hub.act(**how)
        one = await ended(here, (await here.downloads.begin(REPO, quant="Q8_0"))["id"])
        assert one["state"] == "failed"
        assert words in one["problem"]
        assert left_over(here) == []
        assert here.arrived == []
        hub.act()
        gone = await here.downloads.remove(one["id"])
        assert gone == {"removed": one["id"]}
        assert (await ended(here, (await here.downloads.begin(REPO, quant="Q8_0"))["id"]))["state"] == "done"


async def test_a_file_that_changes_between_two_connections_is_noticed(tmp_path: Path, hub: FakeHub) -> None:
    hub.put(f"{REPO}/{FILE}", model())
    async with room(tmp_path, hub) as here:
        # The first answer is right for a while and ends; all that come later have other bytes.
        hub.act(turn=1_000_000, cut=1_000_000, cuts=1)
        one = await ended(here, (await here.downloads.begin(REPO, quant="Q8_0"))["id"])
        assert one["state"] == "failed"
        assert "checksum" in one["problem"]
        assert left_over(here) == []


async def test_what_is_no_model_is_thrown_away(tmp_path: Path, hub: FakeHub) -> None:
    hub.put(f"{REPO}/{FILE}", b"<html>" * 100_000)
    async with room(tmp_path, hub) as here:
        one = await ended(here, (await here.downloads.begin(REPO))["id"])
        assert one["state"] == "failed"
        assert "is not a GGUF file" in one["problem"]
        assert left_over(here) == []


async def test_a_pause_keeps_what_came_and_going_on_asks_for_the_rest(tmp_path: Path, hub: FakeHub) -> None:
    data = model()
    hub.put(f"{REPO}/{FILE}", data)
    async with room(tmp_path, hub) as here:
        hub.act(stall=1_000_000)
        key = (await here.downloads.begin(REPO, quant="Q8_0"))["id"]
        part = here.models / PART
        await eventually(
            lambda: here.downloads.get(key)["done"] > 900_000 and here.downloads.get(key)["state"] == "running"
        )
        assert (await here.downloads.pause(key))["state"] == "paused"
        assert (await here.downloads.pause(key))["state"] == "paused"
        kept = part.stat().st_size
        assert kept > 0
        hub.act()
        await here.downloads.resume(key)
        assert (await ended(here, key))["state"] == "done"
        assert (here.models / HERE).read_bytes() == data
        assert hub.seen()[0]["range"] == f"bytes={kept}-"
        with pytest.raises(Conflict):
            await here.downloads.pause(key)


async def test_a_cancelled_download_leaves_nothing_and_the_next_one_runs(tmp_path: Path, hub: FakeHub) -> None:
    hub.put(f"{REPO}/{FILE}", model())
    hub.put("maker/Other-GGUF/Other-Q4_0.gguf", model(MIB))
    async with room(tmp_path, hub, parallel=1) as here:
        hub.act(stall=1_000_000)
        first = (await here.downloads.begin(REPO, quant="Q8_0"))["id"]
        second = (await here.downloads.begin("maker/Other-GGUF", quant="Q4_0"))["id"]
        await eventually((here.models / PART).exists)
        assert here.downloads.get(second)["state"] == "queued"
        hub.act()
        await here.downloads.cancel(first)
        assert (await ended(here, second))["state"] == "done"
        assert left_over(here) == ["maker_Other-GGUF/Other-Q4_0.gguf"]
        assert here.downloads.get(first)["done"] == 0
        assert [one["id"] for one in here.downloads.all()] == [second, first]
        await here.downloads.resume(first)
        assert (await ended(here, first))["state"] == "done"


async def test_a_silent_hub_is_given_up_and_asked_again(tmp_path: Path, hub: FakeHub) -> None:
    data = model()
    hub.put(f"{REPO}/{FILE}", data)
    async with room(tmp_path, hub, patience=1.0) as here:
        hub.act(stall=1_000_000)
        key = (await here.downloads.begin(REPO, quant="Q8_0"))["id"]
        await eventually(lambda: len(hub.seen()) > 1)
        hub.act()
        assert (await ended(here, key))["state"] == "done"
        assert (here.models / HERE).read_bytes() == data


async def test_a_restart_goes_on_and_keeps_what_was_paused(tmp_path: Path, hub: FakeHub) -> None:
    data = model()
    hub.put(f"{REPO}/{FILE}", data)
    hub.put("maker/Other-GGUF/Other-Q4_0.gguf", model(MIB))
    async with room(tmp_path, hub) as here:
        hub.act(stall=1_000_000)
        key = (await here.downloads.begin(REPO, quant="Q8_0"))["id"]
        paused = (await here.downloads.begin("maker/Other-GGUF"))["id"]
        await here.downloads.pause(paused)
        await eventually(lambda: here.downloads.get(key)["done"] > 900_000)
    hub.act()
    async with room(tmp_path, hub) as here:
        assert (await ended(here, key))["state"] == "done"
        assert (here.models / HERE).read_bytes() == data
        assert here.downloads.get(paused)["state"] == "paused"
    assert hub.seen()[0]["range"] is not None


async def test_a_list_that_cannot_be_read_is_put_aside(tmp_path: Path, hub: FakeHub) -> None:
    kept = tmp_path / "data" / "downloads.json"
    kept.parent.mkdir()
    for text in (
        "{",
        '{"downloads": [{"id": 1}]}',
        '{"downloads": 5}',
        json.dumps({"downloads": [_row("../../etc/x.gguf")]}),
    ):
        kept.write_text(text)
        async with room(tmp_path, hub) as here:
            assert here.downloads.all() == []
        assert kept.with_suffix(".broken").read_text() == text


def _row(name: str) -> dict[str, Any]:
    return {
        "id": "dl_1", "repo": REPO, "commit": "0" * 40, "quant": None, "folder": "x", "state": "done", "problem": None,
        "files": [HubFile(name, 1, None).as_dict()], "model": None, "created": "", "finished": [],
    }  # fmt: skip


async def test_a_full_disk_is_said_before_and_while_it_comes(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = model()
    hub.put(f"{REPO}/{FILE}", data)
    free = shutil.disk_usage(tmp_path)
    async with room(tmp_path, hub) as here:
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda _: free._replace(free=MIB))
            one = await ended(here, (await here.downloads.begin(REPO, quant="Q8_0"))["id"])
        assert one["state"] == "failed"
        assert "Make room" in one["problem"]
        await here.downloads.resume(one["id"])
        assert (await ended(here, one["id"]))["state"] == "done"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="wants /dev/full")
async def test_a_disk_that_fills_up_keeps_what_came(tmp_path: Path, hub: FakeHub) -> None:
    hub.put(f"{REPO}/{FILE}", model())
    async with room(tmp_path, hub) as here:
        part = here.models / PART
        part.parent.mkdir(parents=True)
        part.symlink_to("/dev/full")
        one = await ended(here, (await here.downloads.begin(REPO, quant="Q8_0"))["id"])
        assert one["state"] == "failed"
        assert "The disk is full" in one["problem"]
        part.unlink()
        await here.downloads.resume(one["id"])
        assert (await ended(here, one["id"]))["state"] == "done"


async def test_news_come_at_most_twice_a_second(tmp_path: Path, hub: FakeHub) -> None:
    hub.put(f"{REPO}/{FILE}", model())
    async with room(tmp_path, hub) as here:
        hub.act(rate=1_500_000)
        told = []
        with here.bus.subscribe("downloads") as news:
            key = (await here.downloads.begin(REPO, quant="Q8_0"))["id"]
            async for _, event in news:
                told.append(dict(event))
                if told[-1]["downloads"][0]["state"] == "done":
                    break
        assert {event["event"] for event in told} == {"downloads:changed"}
        moving = [event["downloads"][0] for event in told if event["downloads"][0]["rate"]]
        assert moving and all(one["rate"] > 0 and one["eta"] is not None for one in moving)
        assert here.downloads.get(key)["state"] == "done"


async def test_a_file_of_another_model_is_not_written_over(tmp_path: Path, hub: FakeHub) -> None:
    hub.put(f"{REPO}/{FILE}", model())
    async with room(tmp_path, hub) as here:
        mine = here.models / HERE
        mine.parent.mkdir(parents=True)
        mine.write_bytes(b"mine")
        one = await ended(here, (await here.downloads.begin(REPO, quant="Q8_0"))["id"])
        assert one["state"] == "failed"
        assert "another file" in one["problem"]
        assert mine.read_bytes() == b"mine"


def test_a_killed_server_goes_on_with_its_downloads(tmp_path: Path, hub: FakeHub) -> None:
    data = model()
    hub.put(f"{REPO}/{FILE}", data)
    hub.act(stall=1_000_000)
    server = Server(tmp_path / "data")
    server.start(CORRAL_HUB_ENDPOINT=hub.url)
    try:
        key = server.ask("POST", "/api/downloads", {"repo": REPO, "quant": "Q8_0"})[1]["id"]
        until(lambda: server.ask("GET", f"/api/downloads/{key}")[1]["done"] > 900_000)
        server.kill()
        hub.act()
        server.start(CORRAL_HUB_ENDPOINT=hub.url)
        until(lambda: server.ask("GET", f"/api/downloads/{key}")[1]["state"] == "done")
        assert hub.seen()[0]["range"] is not None
        assert (tmp_path / "data" / "models" / HERE).read_bytes() == data
        pulled = corral("pull", f"{REPO}:Q8_0", "--url", server.url)
        assert (pulled.returncode, pulled.stdout) == (0, "Small-Q8_0: 3.1 MB, checked.\n")
        listed = corral("pull", REPO, "--list", "--url", server.url)
        assert "Q8_0" in listed.stdout and "recommended" in listed.stdout
        missing = corral("pull", "nobody/nothing", "--url", server.url)
        assert missing.returncode == 1
        assert "The hub has no nobody/nothing" in missing.stderr
    finally:
        server.stop()


def corral(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, as a person runs it."""
    program = [sys.executable, "-c", "from corral.cli.main import run; run()", *arguments]
    return subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)


def until(true: Callable[[], bool]) -> None:
    """Waits for something that is asked for by HTTP."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)
