"""Watching the log over the Socket.IO door: filtered, in bounded batches, with what was left out counted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from corral.accounts.types import Permission, Principal
from corral.bus import MemoryBus
from corral.kit.clock import SystemClock
from corral.monitoring.logs import Logs
from corral.realtime.connection import Connection
from corral.realtime.intents import Intents
from corral.realtime.log_followers import MAX_LINES, MAX_WAITING, LogFollowers
from corral.realtime.monitoring import add_logs
from corral.telemetry import Levels, LogHub
from tests.support.clock import ManualClock
from tests.support.logs import put
from tests.support.waiting import eventually


class Anybody:
    """Accounts with rights that a test can take away."""

    def __init__(self) -> None:
        self.rights = frozenset(Permission)

    def authenticate(self, headers: Any) -> Principal:
        return Principal("ann", self.rights)

    def as_user(self, principal: Principal, user_id: str | None) -> Principal:
        return principal


class Watcher:
    """A socket, without a network."""

    def __init__(self, name: str) -> None:
        self.accounts = Anybody()
        self.sent: list[dict[str, Any]] = []
        self.waiting = 0
        self.connection = Connection(
            name, name, self.accounts, {}, None, lambda: None, lambda: self.waiting, self._send
        )

    async def _send(self, event: str, body: Any) -> None:
        assert event == "logs:batch"
        self.sent.append(body["data"])

    @property
    def messages(self) -> list[str]:
        return [line["message"] for batch in self.sent for line in batch["lines"]]

    @property
    def dropped(self) -> int:
        return sum(batch["dropped"] for batch in self.sent)


class Room:
    def __init__(self, folder: Path) -> None:
        self.hub, self.clock = LogHub(Levels("info")), ManualClock()
        self.followers = LogFollowers(self.hub, self.clock)
        self.intents = Intents()
        add_logs(self.intents, Logs(self.hub, None, MemoryBus()), self.followers)

    async def ask(self, watcher: Watcher, event: str, **data: Any) -> Any:
        return await self.intents.run(event, watcher.connection, data)

    async def beat(self) -> None:
        """A quarter of a second."""
        await self.clock.advance(0.25)


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    made = Room(tmp_path)
    made.followers.start()
    yield made
    await made.followers.stop()


async def test_each_socket_gets_the_lines_that_pass_its_filter(room: Room) -> None:
    put(room.hub, "before", level="error", source="engine:m")
    everything, grave, engines = Watcher("a"), Watcher("b"), Watcher("c")
    told = await room.ask(everything, "logs:subscribe", level="debug")
    assert [line["message"] for line in told["recent"]] == ["before"]
    await room.ask(grave, "logs:subscribe", level="warning")
    await room.ask(engines, "logs:subscribe", sources=["engine"])
    put(room.hub, "quiet", level="debug", source="corral.x")
    put(room.hub, "loud", level="error", source="corral.x")
    put(room.hub, "engine", source="engine:m", request_id="r1", slot=2)
    await room.beat()
    await room.beat()
    assert everything.messages == ["quiet", "loud", "engine"]
    assert grave.messages == ["loud"]
    assert engines.messages == ["engine"]
    [line] = engines.sent[0]["lines"]
    assert set(line) == {"id", "at", "level", "source", "message", "requestId", "fields"}
    assert (line["requestId"], line["fields"]) == ("r1", {"slot": 2})


async def test_batches_are_few_and_bounded_and_tell_what_they_leave_out(room: Room) -> None:
    one = Watcher("a")
    await room.ask(one, "logs:subscribe")
    for second in range(4):
        for number in range(1250):
            put(room.hub, f"{second}.{number}")
        await room.beat()
    await room.beat()
    assert len(one.sent) <= 5
    assert all(len(batch["lines"]) <= MAX_LINES for batch in one.sent)
    assert len(one.messages) + one.dropped == 5000
    assert one.messages[-1] == "3.1249"


async def test_a_socket_that_is_behind_gets_nothing_and_is_told_later(room: Room) -> None:
    slow, quick = Watcher("a"), Watcher("b")
    for one in (slow, quick):
        await room.ask(one, "logs:subscribe")
    slow.waiting = MAX_WAITING + 1
    for _ in range(20):
        for number in range(400):
            put(room.hub, f"line {number}")
        await room.beat()
    await room.beat()
    assert slow.sent == []
    assert len(quick.messages) == 8000
    slow.waiting = 0
    await room.beat()
    assert len(slow.messages) == MAX_LINES
    assert len(slow.messages) + slow.dropped == 8000


async def test_a_right_that_was_taken_away_ends_the_watching(room: Room) -> None:
    one = Watcher("a")
    await room.ask(one, "logs:subscribe")
    one.accounts.rights = frozenset()
    put(room.hub, "secret")
    await room.beat()
    await room.beat()
    assert one.sent == []
    one.accounts.rights = frozenset(Permission)
    assert (await room.ask(one, "logs:unsubscribe")) == {"was": False}


async def test_levels_need_the_right_to_manage(room: Room) -> None:
    one = Watcher("a")
    one.accounts.rights = frozenset({Permission.LOGS_READ})
    assert (await room.ask(one, "logs:config"))["level"] == "info"
    with pytest.raises(Exception, match="logs:manage"):
        await room.ask(one, "logs:config", level="debug")
    assert room.hub.levels.default == "info"


async def test_a_lost_socket_is_forgotten_and_a_second_subscription_changes_the_filter(room: Room) -> None:
    one = Watcher("a")
    await room.ask(one, "logs:subscribe")
    await room.ask(one, "logs:subscribe", level="error")
    assert len(one.connection.endings) == 1
    put(room.hub, "info")
    put(room.hub, "error", level="error")
    await room.beat()
    await room.beat()
    assert one.messages == ["error"]
    for ended in one.connection.endings:
        ended()
    put(room.hub, "after", level="error")
    await room.beat()
    await room.beat()
    assert one.messages == ["error"]


@pytest.mark.parametrize(
    "data",
    [{"level": "loud"}, {"sources": "engine"}, {"sources": ["x"] * 51}, {"sources": [""]}, {"sources": ["x" * 221]}, {"more": 1}],
)  # fmt: skip
async def test_a_bad_subscription_is_refused(room: Room, data: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=r"level|sources|more"):
        await room.ask(Watcher("a"), "logs:subscribe", **data)


async def test_threads_may_log_while_sockets_watch(tmp_path: Path) -> None:
    hub, one = LogHub(Levels("info")), Watcher("a")
    followers = LogFollowers(hub, SystemClock())
    followers.start()
    followers.watch(one.connection, "info", ())
    writers = [asyncio.to_thread(lambda: [put(hub, "x") for _ in range(200)]) for _ in range(4)]  # type: ignore[func-returns-value]
    await asyncio.gather(*writers)
    await eventually(lambda: len(one.messages) + one.dropped == 800)
    with contextlib.suppress(asyncio.CancelledError):
        await followers.stop()
