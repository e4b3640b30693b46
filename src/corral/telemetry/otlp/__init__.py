"""Spans and figures for an OpenTelemetry collector, by OTLP over HTTP. See docs/rooms/telemetry.md and decision 6."""

from __future__ import annotations

from corral.telemetry.instruments import Histogram, Instruments
from corral.telemetry.otlp.exporter import Exporter, Options
from corral.telemetry.spans import Kind, Span, Value
from corral.telemetry.tracing import Tracing

__all__ = ["Exporter", "Histogram", "Instruments", "Kind", "Options", "Span", "Tracing", "Value"]
