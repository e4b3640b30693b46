"""What happened lately, in detail: traces, failures, samples, profiles. See docs/rooms/debug.md."""

from __future__ import annotations

from corral.monitoring.debug.pages import PageFailure, PageSpan
from corral.monitoring.debug.profiling import Profiler
from corral.monitoring.debug.service import Debug, ErrorLines, Memories

__all__ = ["Debug", "ErrorLines", "Memories", "PageFailure", "PageSpan", "Profiler"]
