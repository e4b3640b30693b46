"""Structured logging with redaction."""

from __future__ import annotations

from corral.telemetry.logging import configure_logging, get_logger

__all__ = ["configure_logging", "get_logger"]
