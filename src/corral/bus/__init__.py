"""Publish and subscribe. See docs/rooms/bus.md."""

from __future__ import annotations

from corral.bus.memory import MemoryBus
from corral.bus.ports import Bus, Lagged, Subscription

__all__ = ["Bus", "Lagged", "MemoryBus", "Subscription"]
