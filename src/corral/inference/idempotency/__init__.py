"""`Idempotency-Key`: the same key and body get the same answer, for a day. See docs/rooms/inference-cache.md."""

from __future__ import annotations

from corral.inference.idempotency.repository import Records
from corral.inference.idempotency.service import Idempotency

__all__ = ["Idempotency", "Records"]
