"""What pages of ours tell of themselves: the spans of a message in the browser, and what went wrong there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from corral.telemetry.spans import Value

MAX_SPANS, MAX_BYTES = 3000, 1_500_000
"""What is kept of all pages: in a memory of its own, so that no page can push out what the server knows."""
MAX_AGE = 86_400.0
"""Seconds that a page's clock may differ from ours."""
MAX_MS = 3_600_000.0


class PageSpan(NamedTuple):
    """A span in a browser; `start` in seconds since 1970 by its clock. The door has checked forms and lengths."""

    request: str
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start: float
    ms: float
    attributes: Mapping[str, Value]
    error: str = ""
    marks: tuple[tuple[float, str], ...] = ()


class PageFailure(NamedTuple):
    """What went wrong in a page."""

    code: str
    message: str
    where: str
    request: str
    at: float
    recovery: str = ""
