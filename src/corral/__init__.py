"""Corral: one server that turns a machine into a private AI service."""

from __future__ import annotations

from corral.version import __version__

__all__ = ["__version__"]
