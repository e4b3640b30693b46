"""One logger for the whole program: structlog rendered through the standard library.

Values under names that speak of secrets are masked, control characters are escaped so that no text from outside can
forge a line, and the request id goes along by itself.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, cast

import structlog

from corral.kit.context import request_id

_SECRET = re.compile(r"authorization|cookie|password|passwd|secret|api[-_]?key|token$|credential", re.IGNORECASE)
_BEARER = re.compile(r"(?i)\b(bearer\s+|sk-)[A-Za-z0-9._~+/=-]{6,}")
_ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/@]+@")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_IN_TRACE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_MAX_TEXT = 4000

Event = MutableMapping[str, Any]


def redact(_: Any, __: str, event: Event) -> Event:
    """Masks secrets by the name of the field and by the look of the value, however deep they lie."""
    for key, value in event.items():
        event[key] = _masked(key, value)
    return event


def _masked(key: Any, value: Any) -> Any:
    if isinstance(key, str) and _SECRET.search(key):
        return "***"
    if isinstance(value, str):
        return _ADDRESS.sub(r"\1***@", _BEARER.sub(r"\1***", value))
    if isinstance(value, dict):
        return {name: _masked(name, entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(None, entry) for entry in value]
    return value


def escape_controls(_: Any, __: str, event: Event) -> Event:
    """Makes control characters visible and cuts endless values; only a trace keeps its lines, indented."""
    for key, value in event.items():
        if not isinstance(value, str):
            continue
        if key == "exception":
            text = _CONTROL_IN_TRACE.sub(_visible, value).replace("\n", "\n  ")
        else:
            text = _CONTROL.sub(_visible, value[:_MAX_TEXT])
        event[key] = text
    return event


def _visible(found: re.Match[str]) -> str:
    return repr(found.group())[1:-1]


def add_request_id(_: Any, __: str, event: Event) -> Event:
    """Adds the id of the request being served."""
    current = request_id.get()
    if current:
        event.setdefault("request_id", current)
    return event


def configure_logging(level: str = "info", *, as_json: bool = False) -> None:
    """Sets up the root logger once, on standard error. `level` is a name of the standard library in any case."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_request_id,
        structlog.processors.format_exc_info,
        redact,
        escape_controls,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn.access", "engineio", "socketio", "alembic", "sqlalchemy.engine"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose events take keyword facts: `log.info("engine_ready", model=name)`."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name))
