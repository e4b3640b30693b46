"""What goes along with one request through every layer."""

from __future__ import annotations

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request being served, empty outside of one."""

PEER = "corral.peer"
"""Where the extensions of an ASGI scope hold what the server tells beyond ASGI (`surfaces.asgi.Peer`)."""

LINES = "corral.lines"
WHOLE = "corral.whole"
"""What a message that begins an answer may have for a server that is such a peer: headers as the lines that they are on the wire, and the
body, where that is all of the answer."""
