"""Providers as configuration. See docs/rooms/providers-configuration.md."""

from __future__ import annotations

from corral.providers.directory.live import Live, LiveProviders
from corral.providers.directory.service import TOPIC, Around, Providers

__all__ = ["TOPIC", "Around", "Live", "LiveProviders", "Providers"]
