"""One logger for everything: redacted lines for the console, files and those who watch. See docs/rooms/telemetry.md."""

from __future__ import annotations

from corral.telemetry.files import LogFile, LogFiles, list_files
from corral.telemetry.hub import LogHub
from corral.telemetry.levels import Levels
from corral.telemetry.lines import LEVELS, LogLine, level_number
from corral.telemetry.logging import configure_logging, get_logger

__all__ = [
    "LEVELS",
    "Levels",
    "LogFile",
    "LogFiles",
    "LogHub",
    "LogLine",
    "configure_logging",
    "get_logger",
    "level_number",
    "list_files",
]
