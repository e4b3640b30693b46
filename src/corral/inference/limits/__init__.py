"""Limits and budgets: taken before a request, settled after it. See docs/rooms/inference-limits.md."""

from __future__ import annotations

from corral.inference.limits.service import Limits
from corral.inference.limits.types import Held, Ledger, Take, Taking

__all__ = ["Held", "Ledger", "Limits", "Take", "Taking"]
