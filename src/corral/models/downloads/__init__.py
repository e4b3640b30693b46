"""Models from a hub. See docs/rooms/models.md."""

from __future__ import annotations

from corral.models.downloads.hub import Hub
from corral.models.downloads.service import TOPIC, Downloads, Limits, Places

__all__ = ["TOPIC", "Downloads", "Hub", "Limits", "Places"]
