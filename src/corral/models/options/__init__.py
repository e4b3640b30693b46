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
from corral.models.options.forms import catalogue_as_dict, option_as_dict
from corral.models.options.types import Group, Kind, Option
from corral.models.options.values import as_wire, check, check_together, diff, find, merge, parse

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
    "as_wire",
    "catalogue_as_dict",
    "check",
    "check_together",
    "diff",
    "find",
    "group",
    "merge",
    "option_as_dict",
    "parse",
]
