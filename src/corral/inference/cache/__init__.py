"""Answers that are kept for the same question of the same caller. See docs/rooms/inference-cache.md."""

from __future__ import annotations

from corral.inference.cache.service import AnswerCache, CacheOptions
from corral.inference.cache.types import AnswerStore, Kept

__all__ = ["AnswerCache", "AnswerStore", "CacheOptions", "Kept"]
