"""The options of engines: one catalogue for forms, checks, tables, flags and pages. See docs/rooms/models.md."""

from __future__ import annotations

from corral.models.options.catalogue import (
    BY_NAME,
    BY_WIRE,
    DEFAULTS,
    FIXED,
    MODEL_OPTIONS,
    OPTIONS,
    SERVER_OPTIONS,
    group,
)
from corral.models.options.types import Group, Kind, Option

__all__ = [
    "BY_NAME",
    "BY_WIRE",
    "DEFAULTS",
    "FIXED",
    "MODEL_OPTIONS",
    "OPTIONS",
    "SERVER_OPTIONS",
    "Group",
    "Kind",
    "Option",
    "group",
]
