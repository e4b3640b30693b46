"""The lines on a terminal: coloured, or as JSON."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from corral.telemetry.drain import Drain
from corral.telemetry.lines import LogLine, level_number
from corral.telemetry.structured import structlog

_WARNING = level_number("warning")


class Console:
    """Writes lines to `stream`. Of engines it shows warnings and errors; the rest of what they say is in the files.

    Args:
        background: write in a thread of its own, so that a terminal that stands still holds up nobody.
    """

    def __init__(self, stream: TextIO | None = None, *, as_json: bool = False, background: bool = False) -> None:
        self._stream = stream or sys.stderr
        colours = self._stream.isatty()
        self._render: Any = (
            structlog.processors.JSONRenderer(default=str) if as_json else structlog.dev.ConsoleRenderer(colors=colours)
        )
        self._drain: Drain[LogLine] | None = Drain("corral-console", self._write) if background else None

    @property
    def lost(self) -> int:
        """Lines that could not be written."""
        return self._drain.lost if self._drain is not None else 0

    def put(self, line: LogLine) -> None:
        """Shows a line."""
        if line.source.startswith("engine:") and level_number(line.level) < _WARNING:
            return
        if self._drain is not None:
            self._drain.put(line)
        else:
            self._write([line], 0)

    def flush(self, seconds: float) -> bool:
        """Waits until everything is shown; False when that takes longer."""
        return self._drain is None or self._drain.flush(seconds)

    def _write(self, batch: list[LogLine], lost: int) -> int:
        text = "".join(f"{self._text(line)}\n" for line in batch)
        if lost:
            text += f"({lost} lines were left out)\n"
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads any more.
            return len(batch)
        return 0

    def _text(self, line: LogLine) -> str:
        event = {
            **line.fields,
            "timestamp": line.at,
            "level": line.level,
            "logger": line.source,
            "event": line.message,
        }
        if line.request_id:
            event["request_id"] = line.request_id
        return str(self._render(None, line.level, event))
