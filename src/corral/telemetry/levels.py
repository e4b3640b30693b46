"""Which lines are made at all: a least level for everything, and others for single sources, changed at run time."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from corral.kit.errors import InvalidRequest
from corral.telemetry.lines import LEVELS, level_number

QUIET = ("uvicorn.access", "uvicorn.error", "engineio", "socketio", "alembic", "sqlalchemy.engine", "asyncio", "httpx")
"""Libraries of which only warnings are of interest, unless somebody asks for more."""
MAX_RULES = 100
_MAX_SOURCE = 220


ENGINES = "engine"
"""The logger above those of all engines."""


def engine_logger(model: str) -> str:
    """The name of the logger of a model's engine: one below `engine`, whatever dots the model's name has."""
    return f"{ENGINES}." + model.replace(".", "_")


def logger_name(source: str) -> str:
    """The name of the logger that a source stands for; `engine` stands for all engines, `engine:NAME` for one."""
    return engine_logger(source.removeprefix("engine:")) if source.startswith("engine:") else source


class Levels:
    """The levels in force."""

    def __init__(self, default: str) -> None:
        self._default = default
        self._rules: dict[str, str] = {}
        logging.getLogger().setLevel(level_number(default))
        for name in QUIET:
            logging.getLogger(name).setLevel(logging.WARNING)

    @property
    def default(self) -> str:
        """The least level of sources without a rule."""
        return self._default

    @property
    def rules(self) -> dict[str, str]:
        """The least level of single sources."""
        return dict(self._rules)

    def set(self, default: str, rules: Mapping[str, str]) -> None:
        """Sets exactly these; what had a rule and has none here goes by the default. Raises InvalidRequest."""
        self.change(default, {**dict.fromkeys(self._rules), **rules})

    def change(self, default: str | None = None, rules: Mapping[str, str | None] | None = None) -> None:
        """Sets the default, and rules; None takes a source's rule away. All or nothing. Raises InvalidRequest."""
        rules = rules or {}
        kept = self.after(default, rules)
        for source in rules:
            logger = logging.getLogger(logger_name(source))
            told = kept.get(source)
            quiet = logging.WARNING if source in QUIET else logging.NOTSET
            logger.setLevel(level_number(told) if told is not None else quiet)
        self._rules = kept
        if default is not None:
            self._default = default
            logging.getLogger().setLevel(level_number(default))

    def after(self, default: str | None, rules: Mapping[str, str | None]) -> dict[str, str]:
        """All rules as they would be after a change. Raises InvalidRequest when it is refused."""
        if default is not None:
            _check("level", default)
        for source, level in rules.items():
            if not 0 < len(source) <= _MAX_SOURCE or not source.isprintable():
                raise InvalidRequest(f"A source has 1 to {_MAX_SOURCE} printable characters.", param="levels")
            if level is not None:
                _check(f"levels.{source}", level)
        kept = {source: level for source, level in {**self._rules, **rules}.items() if level is not None}
        if len(kept) > MAX_RULES:
            raise InvalidRequest(f"At most {MAX_RULES} sources can have a level of their own.", param="levels")
        return kept


def _check(param: str, level: str) -> None:
    if level not in LEVELS:
        raise InvalidRequest(f"{param}: a level is one of {', '.join(LEVELS)}, not {level!r}.", param=param)
