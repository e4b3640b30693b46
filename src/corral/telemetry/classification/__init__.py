"""Every error that Corral knows: what it is about, how bad it is, what is done about it, and what a person is told.

The one table, for the server and for the page: `tools/reference.py` writes docs/reference/errors.md and web/src/api/errors.ts from it.
"""

from __future__ import annotations

from corral.telemetry.classification.noting import ErrorLog
from corral.telemetry.classification.table import BROWSER_ROWS, ENGINE_ROWS, ROWS, SERVER_ROWS, classify, row_of
from corral.telemetry.classification.types import STRATEGIES, Actor, Row, Severity, Step, Strategy, Type

__all__ = [
    "BROWSER_ROWS",
    "ENGINE_ROWS",
    "ROWS",
    "SERVER_ROWS",
    "STRATEGIES",
    "Actor",
    "ErrorLog",
    "Row",
    "Severity",
    "Step",
    "Strategy",
    "Type",
    "classify",
    "row_of",
]
