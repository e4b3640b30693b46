"""What is set for models, for all of them and for the program. See docs/rooms/models.md."""

from __future__ import annotations

from corral.models.configuration.service import Configuration, Surroundings

__all__ = ["Configuration", "Surroundings"]
