"""Figures of the host, the server and its engines: collected, kept, rolled up and told."""

from __future__ import annotations

from corral.monitoring.metrics.collector import TOPIC, Collector
from corral.monitoring.metrics.history import History
from corral.monitoring.metrics.service import Metrics
from corral.monitoring.metrics.types import EngineView

__all__ = ["TOPIC", "Collector", "EngineView", "History", "Metrics"]
