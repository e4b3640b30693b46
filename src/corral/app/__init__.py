"""The composition root: the only place that names concrete parts and wires them."""

from __future__ import annotations

from corral.app.server import INCLUDED, PACKAGE, Corral

__all__ = ["INCLUDED", "PACKAGE", "Corral"]
