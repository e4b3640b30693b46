"""Durable storage: one writer, group commit, migrations. See docs/rooms/store.md."""

from __future__ import annotations

from corral.store.database import Database
from corral.store.engines import Location

__all__ = ["Database", "Location"]
