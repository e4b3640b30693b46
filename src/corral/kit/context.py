"""What goes along with one request through every layer."""

from __future__ import annotations

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request being served, empty outside of one."""

PEER = "corral.peer"
"""Where an ASGI scope holds what the server tells beyond ASGI (`surfaces.asgi.Peer`)."""
