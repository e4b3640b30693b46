"""The two forms of OTLP over HTTP. Spans are encoded one by one, so that whoever does it can let others run in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

import msgspec

from corral.telemetry.instruments import Histogram
from corral.telemetry.otlp import protobuf
from corral.telemetry.otlp.messages import attributes, metric_message, span_message
from corral.telemetry.spans import Span, Value

_PARTIAL, _REJECTED = 1, 1


class Encoding(Protocol):
    """Makes requests of spans and instruments, and reads the answers."""

    media_type: ClassVar[str]

    def span(self, span: Span) -> bytes:
        """One span."""
        ...

    def traces(self, spans: Sequence[bytes]) -> bytes:
        """ExportTraceServiceRequest of encoded spans."""
        ...

    def metric(self, one: Histogram, start: int, now: int) -> bytes:
        """One instrument, which counts since `start`."""
        ...

    def metrics(self, metrics: Sequence[bytes]) -> bytes:
        """ExportMetricsServiceRequest of encoded instruments."""
        ...

    def rejected(self, answer: bytes) -> int:
        """How much of a request the collector did not take, by its answer with status 200."""
        ...


class Protobuf:
    """`http/protobuf`."""

    media_type: ClassVar[str] = "application/x-protobuf"

    def __init__(self, resource: Mapping[str, Value], name: str, version: str) -> None:
        told = protobuf.encode(protobuf.RESOURCE, {"attributes": attributes(resource)})
        self._resource = protobuf.sized(1, told)
        self._scope = protobuf.sized(1, protobuf.encode(protobuf.SCOPE, {"name": name, "version": version}))

    def span(self, span: Span) -> bytes:
        """See `Encoding.span`."""
        return protobuf.sized(2, protobuf.span_bytes(span))

    def traces(self, spans: Sequence[bytes]) -> bytes:
        """See `Encoding.traces`."""
        # The messages around spans and those around metrics have the same numbers.
        inner = protobuf.sized(2, b"".join([self._scope, *spans]))
        return protobuf.sized(1, self._resource + inner)

    def metric(self, one: Histogram, start: int, now: int) -> bytes:
        """See `Encoding.metric`."""
        return protobuf.sized(2, protobuf.encode(protobuf.METRIC, metric_message(one, start, now)))

    def metrics(self, metrics: Sequence[bytes]) -> bytes:
        """See `Encoding.metrics`."""
        return self.traces(metrics)

    def rejected(self, answer: bytes) -> int:
        """See `Encoding.rejected`: field 1 of field 1."""
        inner = protobuf.fields(answer).get(_PARTIAL)
        told = protobuf.fields(inner).get(_REJECTED) if isinstance(inner, bytes) else None
        return told if isinstance(told, int) else 0


class _Partial(msgspec.Struct):
    rejected_spans: int | str = msgspec.field(name="rejectedSpans", default=0)
    rejected_points: int | str = msgspec.field(name="rejectedDataPoints", default=0)


class _Answer(msgspec.Struct):
    partial: _Partial | None = msgspec.field(name="partialSuccess", default=None)


class Json:
    """`http/json`."""

    media_type: ClassVar[str] = "application/json"

    def __init__(self, resource: Mapping[str, Value], name: str, version: str) -> None:
        self._resource = msgspec.json.encode({"attributes": attributes(resource)})
        self._scope = msgspec.json.encode({"name": name, "version": version})
        self._answers = msgspec.json.Decoder(_Answer)

    def span(self, span: Span) -> bytes:
        """See `Encoding.span`."""
        return msgspec.json.encode(span_message(span))

    def traces(self, spans: Sequence[bytes]) -> bytes:
        """See `Encoding.traces`."""
        return b'{"resourceSpans":[{"resource":%b,"scopeSpans":[{"scope":%b,"spans":[%b]}]}]}' % (
            self._resource,
            self._scope,
            b",".join(spans),
        )

    def metric(self, one: Histogram, start: int, now: int) -> bytes:
        """See `Encoding.metric`."""
        return msgspec.json.encode(metric_message(one, start, now))

    def metrics(self, metrics: Sequence[bytes]) -> bytes:
        """See `Encoding.metrics`."""
        return b'{"resourceMetrics":[{"resource":%b,"scopeMetrics":[{"scope":%b,"metrics":[%b]}]}]}' % (
            self._resource,
            self._scope,
            b",".join(metrics),
        )

    def rejected(self, answer: bytes) -> int:
        """See `Encoding.rejected`."""
        try:
            partial = self._answers.decode(answer).partial if answer.strip() else None
            return int(partial.rejected_spans) + int(partial.rejected_points) if partial is not None else 0
        except (ValueError, RecursionError):
            return 0
