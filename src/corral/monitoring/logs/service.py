"""What the doors ask about the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from corral.bus import Bus
from corral.kit.errors import InvalidRequest, NotFound, TooManyRequests
from corral.monitoring.logs.keeping import Keeping, LevelSettings
from corral.monitoring.logs.search import Wanted, matching, place, search
from corral.telemetry import LEVELS, LogFile, LogFiles, LogHub, list_files
from corral.telemetry.files import ALL

TOPIC = "logs"
MAX_LIMIT = 500
_AT_ONCE = 2
_WAITING = 16
_FLUSH_SECONDS = 2.0


class Logs:
    """The log of this server: its lines and its levels.

    Args:
        files: where lines are written to, None where they are not.
        settings: where levels are kept; without it they last until the server ends.
    """

    def __init__(self, hub: LogHub, files: LogFiles | None, bus: Bus, settings: LevelSettings | None = None) -> None:
        self._hub = hub
        self._files = files
        self._bus = bus
        self._keeping = Keeping(hub.levels, settings, self._tell)
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def search(self, asked: Mapping[str, Any], limit: int = 200) -> dict[str, object]:
        """The newest lines that match, see `wanted`. Raises InvalidRequest, and TooManyRequests while many search."""
        what = wanted(asked)
        if not 1 <= limit <= MAX_LIMIT:
            raise InvalidRequest(f"limit is 1 to {MAX_LIMIT}.", param="limit")
        if self._waiting >= _WAITING:
            raise TooManyRequests("Too many searches of the log are under way.", retry_after=2)
        self._waiting += 1
        try:
            async with self._at_once:
                folder = self._files.folder if self._files is not None else None
                found = await asyncio.to_thread(search, folder, self._hub.recent(), what, limit)
        finally:
            self._waiting -= 1
        return found.as_dict()

    async def config(self) -> dict[str, Any]:
        """The levels in force, the sources seen, and the files there are."""
        files = await asyncio.to_thread(list_files, self._files.folder) if self._files is not None else []
        return {
            **self._levels(),
            "sources": self._hub.sources,
            "files": [{"name": one.path.name, "bytes": one.size, "day": one.day} for one in files],
            "days": self._files.days if self._files is not None else None,
            "maxBytes": self._files.max_bytes if self._files is not None else None,
            "dropped": self._hub.lost,
        }

    async def change(
        self, level: str | None, levels: Mapping[str, str | None] | None, *, reset: bool = False, by: str = ""
    ) -> dict[str, Any]:
        """Sets levels and keeps them; `reset` takes back all that was set while a server ran. Raises InvalidRequest, and nothing is changed."""
        if reset and (level is not None or levels):
            raise InvalidRequest("reset goes alone: it takes all levels back.", param="reset")
        if reset:
            await self._keeping.reset(by)
        else:
            await self._keeping.change(level, levels or {}, by)
        return await self.config()

    def _tell(self) -> None:
        self._bus.publish(TOPIC, {"event": "logs:config:changed", **self._levels()})

    async def file(self, name: str) -> Path:
        """The path of a file of the log by its name. Raises NotFound."""
        if self._files is not None:
            await asyncio.to_thread(self._files.flush, _FLUSH_SECONDS)
            for one in await asyncio.to_thread(list_files, self._files.folder):
                if one.path.name == name:
                    return one.path
        raise NotFound("There is no file of the log with this name.")

    async def download(self, asked: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """All matching lines of the files, the oldest first, one JSON object a line. Raises InvalidRequest."""
        what = wanted(asked)
        files: list[LogFile] = []
        if self._files is not None:
            await asyncio.to_thread(self._files.flush, _FLUSH_SECONDS)
            files = await asyncio.to_thread(list_files, self._files.folder, ALL)
        return _pieces(files, what)

    def _levels(self) -> dict[str, Any]:
        return {
            "level": self._hub.levels.default,
            "levels": self._hub.levels.rules,
            "origin": self._keeping.origin(),
        }


async def _pieces(files: list[LogFile], what: Wanted) -> AsyncIterator[bytes]:
    pieces = matching(files, what)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        if piece:
            yield piece


def wanted(asked: Mapping[str, Any]) -> Wanted:
    """What is looked for: level, source, text, requestId, before and after, all optional. Raises InvalidRequest."""
    level = asked.get("level") or None
    if level is not None and level not in LEVELS:
        raise InvalidRequest(f"level is one of {', '.join(LEVELS)}, not {level[:40]!r}.", param="level")
    return Wanted(
        level,
        asked.get("source") or None,
        asked.get("text") or None,
        asked.get("requestId") or None,
        place(asked.get("before"), "before"),
        place(asked.get("after"), "after"),
    )
