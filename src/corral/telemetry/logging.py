"""One logger for the whole program: structlog rendered through the standard library.

Values under names that speak of secrets are masked, control characters are escaped so that no text from outside can
forge a line, and the request id goes along by itself.
"""

from __future__ import annotations

import logging
import re
from collections.abc import MutableMapping
from typing import Any, cast

from corral.kit.context import request_id
from corral.kit.trace import current_trace
from corral.telemetry.console import Console
from corral.telemetry.hub import LogHub
from corral.telemetry.levels import ENGINES, Levels
from corral.telemetry.lines import level_name, plain, sayable
from corral.telemetry.structured import structlog

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
    """Adds the id of the request being served, and where it is in a trace, if it is traced."""
    current = request_id.get()
    if current:
        event.setdefault("request_id", current)
    trace = current_trace.get()
    if trace is not None and trace.told:
        event.setdefault("trace_id", trace.trace_id)
        event.setdefault("span_id", trace.span_id)
    return event


class HubHandler(logging.Handler):
    """Hands every record of the standard library to the hub; what was logged must never end who logs."""

    def __init__(self, hub: LogHub) -> None:
        super().__init__()
        self._hub = hub

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        try:
            self._take(record)
        except Exception:  # noqa: BLE001 - as the standard library's own handlers do
            self.handleError(record)

    def _take(self, record: logging.LogRecord) -> None:
        if isinstance(record.msg, dict):
            event = dict(record.msg)
        else:
            event = {"event": record.getMessage(), **(getattr(record, "facts", None) or {})}
            if record.exc_info:
                event["exception"] = _traces.formatException(record.exc_info)
            if not hasattr(record, "request_id"):
                add_request_id(None, "", event)
            event = dict(escape_controls(None, "", redact(None, "", event)))
        for name in ("level", "logger", "timestamp"):
            event.pop(name, None)
        message = sayable(str(event.pop("event", "")))
        request = str(event.pop("request_id", "") or getattr(record, "request_id", ""))
        source = sayable(getattr(record, "source", record.name))
        fields = plain(event)
        self._hub.take(record.created, level_name(record.levelno), source, message, (request, fields))


_traces = logging.Formatter()


def configure_logging(level: str = "info", *, as_json: bool = False, background: bool = False) -> LogHub:
    """Sets up logging once for the process and returns where all lines come together.

    Lines go to standard error, with `background` from a thread of its own; `hub.add_sink` adds the files.
    """
    hub = LogHub(Levels(level))
    hub.add_sink(Console(as_json=as_json, background=background))
    hand_over(hub)
    return hub


def hand_over(hub: LogHub) -> None:
    """Lets `hub` have all that is logged in this process from now on."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            add_request_id,
            structlog.processors.format_exc_info,
            redact,
            escape_controls,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.getLogger().handlers[:] = [HubHandler(hub)]


def use_standard_logging() -> None:
    """Lets what is logged go where a program has the standard library's loggers lead (ours are `corral.…` and `engine.…`), redacted as ever. For a
    program that is not ours, which hears nothing unless it listens; one that has set structlog up itself is left alone."""
    for ours in (logging.getLogger("corral"), logging.getLogger(ENGINES)):
        if not ours.handlers:
            ours.addHandler(logging.NullHandler())
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            add_request_id,
            structlog.processors.format_exc_info,
            redact,
            escape_controls,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose events take keyword facts: `log.info("engine_ready", model=name)`."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name))
