"""From a public model name to an answer. See docs/rooms/inference.md."""

from __future__ import annotations

from corral.inference.local import Route, Routes, Visit
from corral.inference.service import Hooks, Inference

__all__ = ["Hooks", "Inference", "Route", "Routes", "Visit"]
