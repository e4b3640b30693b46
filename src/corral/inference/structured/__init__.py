"""Answers in the form that a request asks for: JSON, or JSON of a schema. See docs/rooms/inference-structured.md."""

from __future__ import annotations

from corral.inference.structured.asking import StructuredAsking
from corral.inference.structured.run import StructuredRun
from corral.inference.structured.streaming import structured_events, structured_pieces
from corral.inference.structured.wanting import Wanted, wanted_by

__all__ = ["StructuredAsking", "StructuredRun", "Wanted", "structured_events", "structured_pieces", "wanted_by"]
