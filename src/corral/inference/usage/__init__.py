"""One event a request: who asked what of whom, what it used, cost and how it ended. See docs/rooms/inference-limits.md."""

from __future__ import annotations

from corral.inference.usage.service import UsageLog, UsageOptions

__all__ = ["UsageLog", "UsageOptions"]
