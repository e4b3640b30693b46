"""Turns that were answered in a browser. See docs/rooms/agents-device.md."""

from __future__ import annotations

from corral.agents.device.service import DeviceTurns
from corral.agents.device.types import Brought, DeviceTurn, Placed

__all__ = ["Brought", "DeviceTurn", "DeviceTurns", "Placed"]
