"""Levels of the log that are changed while the server runs: kept in its settings, with where each comes from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from corral.kit.errors import CorralError
from corral.settings import Settings
from corral.telemetry.levels import Levels

FIELDS = {"level": "log_level", "levels": "log_levels"}
"""The settings that levels are kept in, by the name on the wire."""


class LevelSettings(Protocol):
    """The settings of the server program."""

    @property
    def now(self) -> Settings:
        """Those that count."""
        ...

    def source(self, name: str, /) -> str:
        """Where a setting's value comes from."""
        ...

    def before_file(self, name: str, /) -> bool:
        """Whether something that goes before the file says a setting, so that it cannot be kept."""
        ...

    def save(self, changes: Mapping[str, Any], /, *, by: str) -> Awaitable[None]:
        """Writes settings, None takes one out of the file. Raises CorralError."""
        ...

    def listen(self, listener: Callable[[Settings, Settings], None], /) -> None:
        """Calls `listener` with the settings before and after each change that counts at once."""
        ...


class Keeping:
    """Changes levels and keeps what can be kept. What cannot counts until the server ends, and says why.

    Args:
        told: called after every change of the levels in force.
    """

    def __init__(self, levels: Levels, settings: LevelSettings | None, told: Callable[[], None]) -> None:
        self._levels = levels
        self._settings = settings
        self._told = told
        self._unkept: dict[str, str] = {}
        self._changing = asyncio.Lock()
        if settings is not None:
            settings.listen(self._follow)

    def origin(self) -> dict[str, dict[str, Any]]:
        """For `level` and `levels`: the source of the setting, and why what counts now ends with the server, None where it does not."""
        settings = self._settings
        if settings is None:
            return {name: {"source": "default", "unkept": "there are no settings to keep it in"} for name in FIELDS}
        return {
            name: {"source": settings.source(field), "unkept": self._unkept.get(name)} for name, field in FIELDS.items()
        }

    async def change(self, level: str | None, rules: Mapping[str, str | None], by: str) -> None:
        """Sets levels; None takes a source's away. Raises InvalidRequest, and nothing is changed."""
        async with self._changing:
            after = self._levels.after(level, rules)
            wanted: dict[str, Any] = {}
            if level is not None:
                wanted["level"] = level
            if rules:
                wanted["levels"] = [f"{source}={least}" for source, least in after.items()] or None
            await self._keep(wanted, by)
            self._levels.change(level, rules)
        self._told()

    async def reset(self, by: str) -> None:
        """Takes the levels out of the file, so that the environment's or the default ones count."""
        async with self._changing:
            settings = self._settings
            if settings is not None:
                kept = {field: None for field in FIELDS.values() if not settings.before_file(field)}
                if any(settings.source(field) != "default" for field in kept):
                    await settings.save(kept, by=by)
                self._levels.set(settings.now.log_level, settings.now.log_rules)
            self._unkept.clear()
        self._told()

    async def _keep(self, wanted: Mapping[str, Any], by: str) -> None:
        settings = self._settings
        if settings is None:
            return
        keep = {}
        for name, value in wanted.items():
            if settings.before_file(FIELDS[name]):
                self._unkept[name] = f"{settings.source(FIELDS[name])} sets it at the next start"
            else:
                keep[name] = value
        if not keep:
            return
        try:
            await settings.save({FIELDS[name]: value for name, value in keep.items()}, by=by)
        except CorralError as error:
            # Who looks for what is wrong with a disk needs the lines all the same.
            self._unkept.update(dict.fromkeys(keep, error.message))
        else:
            for name in keep:
                self._unkept.pop(name, None)

    def _follow(self, before: Settings, now: Settings) -> None:
        """Takes over what was changed in the settings, here or on another page."""
        if before.log_level != now.log_level:
            self._levels.change(now.log_level)
            self._unkept.pop("level", None)
        if before.log_levels != now.log_levels:
            self._levels.set(self._levels.default, now.log_rules)
            self._unkept.pop("levels", None)
        if (before.log_level, before.log_levels) != (now.log_level, now.log_levels):
            self._told()
