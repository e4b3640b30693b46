"""python-socketio as a server alone. Its package imports its clients and its Redis manager too, and with them aiohttp, requests,
redis and cryptography: 20 MB that a server without providers elsewhere and without Redis never uses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_OPTIONAL = ("aiohttp", "redis", "requests", "websocket")
"""What the package does without when it is not installed."""


@contextmanager
def _not_installed(names: tuple[str, ...]) -> Iterator[None]:
    """While it lasts these packages look as if they were not there; those that are loaded stay."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        # None in this place makes an import raise ImportError (documented with `sys.modules`).
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _not_installed(_OPTIONAL):
    import socketio
    from socketio.packet import Packet

__all__ = ["Packet", "socketio"]
