"""Queries of the log: search, files, and the levels in force."""

from __future__ import annotations

from corral.monitoring.logs.keeping import LevelSettings
from corral.monitoring.logs.search import Found, Wanted
from corral.monitoring.logs.service import TOPIC, Logs

__all__ = ["TOPIC", "Found", "LevelSettings", "Logs", "Wanted"]
