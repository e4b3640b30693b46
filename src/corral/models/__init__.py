"""The models on this machine. See docs/rooms/models.md."""

from __future__ import annotations

from corral.models.registry import ModelRegistry
from corral.models.types import Model

__all__ = ["Model", "ModelRegistry"]
