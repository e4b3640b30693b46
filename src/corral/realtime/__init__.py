"""Socket.IO: handshake, intents and pushes. See docs/rooms/realtime.md."""

from __future__ import annotations

from corral.realtime.server import PATH, Realtime, RealtimeOptions, RealtimeParts

__all__ = ["PATH", "Realtime", "RealtimeOptions", "RealtimeParts"]
