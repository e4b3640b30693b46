"""From a model's name to an engine's slot. See docs/rooms/inference.md."""

from __future__ import annotations

from corral.inference.service import Inference, Route, Routes, Visit

__all__ = ["Inference", "Route", "Routes", "Visit"]
