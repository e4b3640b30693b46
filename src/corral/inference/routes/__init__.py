"""What a public model name stands for: candidates, their order, the rules."""

from __future__ import annotations

from corral.inference.routes.types import CacheRule, Candidate, RouteSpec, Rules, Strategy

__all__ = ["CacheRule", "Candidate", "RouteSpec", "Rules", "Strategy"]
