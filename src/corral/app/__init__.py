"""The composition root: the only place that names concrete parts and wires them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corral.app.answering import INCLUDED, PACKAGE

if TYPE_CHECKING:
    from corral.app.server import Corral

__all__ = ["INCLUDED", "PACKAGE", "Corral"]


def __getattr__(name: str) -> Any:
    """The server, when it is asked for: the library has no use for its doors, and need not load them."""
    if name == "Corral":
        from corral.app.server import Corral

        return Corral
    raise AttributeError(name)
