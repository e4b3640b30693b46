"""Sends spans and figures to a collector, from a thread of its own: https://opentelemetry.io/docs/specs/otlp/#otlphttp

Nobody waits for it. What comes while the queue is full, and what the collector does not take, is lost and counted.
"""

from __future__ import annotations

import logging
import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from corral.telemetry.drain import Drain
from corral.telemetry.instruments import Instruments
from corral.telemetry.otlp.encoding import Encoding, Json, Protobuf
from corral.telemetry.otlp.posting import Poster, Refused, Retry
from corral.telemetry.spans import Span, Value

GATHER = 2.0
"""Seconds that spans wait for others to go with."""
TRIES = 4
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds between tries, doubling; a collector's `Retry-After` up to the longest is obeyed."""
YIELD_EVERY = 8
"""Spans after which the thread that encodes lets others run."""

_log = logging.getLogger("corral.otlp")


@dataclass(frozen=True, slots=True)
class Options:
    """Where to and how. Addresses are whole, empty for what is not sent; times in seconds.

    queue: spans that wait at most. gather: how long they wait for others. pause: before the second try. resource: who sends.
    """

    traces: str = ""
    metrics: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    protocol: Literal["http/protobuf", "http/json"] = "http/protobuf"
    gzip: bool = False
    timeout: float = 10.0
    queue: int = 4096
    gather: float = GATHER
    pause: float = FIRST_PAUSE
    resource: Mapping[str, Value] = field(default_factory=dict)


@dataclass(slots=True)
class Counted:
    """What became of spans and reports of figures."""

    sent: int = 0
    rejected: int = 0
    reports: int = 0
    reports_lost: int = 0


@dataclass(frozen=True, slots=True)
class _Report:
    """Figures as they were at a moment, encoded."""

    body: bytes


class Exporter:
    """Takes spans at once, and reports of figures. `close` it; from then on nothing is tried twice."""

    def __init__(self, options: Options, name: str, version: str) -> None:
        self._options = options
        make: type[Protobuf | Json] = Json if options.protocol == "http/json" else Protobuf
        self._encoding: Encoding = make(options.resource, name, version)
        self._poster = Poster(options.headers, self._encoding.media_type, options.timeout, gzip=options.gzip)
        self._closing = threading.Event()
        self._failing = False
        self._began = time.time_ns()
        self.counted = Counted()
        self._drain: Drain[Span | _Report] = Drain(
            "corral-otlp", self._send, limit=options.queue, gather=options.gather
        )

    @property
    def lost(self) -> int:
        """Spans that the collector never got."""
        return self._drain.lost + self.counted.rejected

    def put(self, span: Span) -> None:
        """Takes a span, if spans are sent at all. Never waits."""
        if self._options.traces:
            self._drain.put(span)

    def report(self, instruments: Instruments) -> None:
        """Takes the figures as they are now."""
        if not (self._options.metrics and instruments):
            return
        now = time.time_ns()
        told = [self._encoding.metric(one, self._began, now) for one in instruments.histograms if one.series]
        self._drain.put(_Report(self._encoding.metrics(told)))

    def close(self, seconds: float) -> bool:
        """Sends what is left, for so long at most; whether that was all of it. From a thread that may wait."""
        self._closing.set()
        self._poster.hurry(seconds)
        done = self._drain.flush(seconds)
        self._poster.close()
        return done

    # in the thread

    def _send(self, batch: list[Span | _Report], lost: int) -> int:
        if lost:
            _log.warning("%d spans were lost: the collector does not take them as fast as they come", lost)
        spans = [item for item in batch if isinstance(item, Span)]
        gone = 0
        if spans:
            rejected = self._deliver(self._options.traces, self._encoding.traces(self._encoded(spans)))
            if rejected is None:
                gone = len(spans)
            else:
                self.counted.sent += len(spans) - rejected
                self.counted.rejected += rejected
        for item in batch:
            if isinstance(item, _Report):
                taken = self._deliver(self._options.metrics, item.body) is not None
                self.counted.reports += taken
                self.counted.reports_lost += not taken
        return gone

    def _encoded(self, spans: Sequence[Span]) -> list[bytes]:
        encoded = []
        for number, span in enumerate(spans, 1):
            encoded.append(self._encoding.span(span))
            if not number % YIELD_EVERY:
                # The loop that answers requests waits for the interpreter otherwise.
                time.sleep(0)
        return encoded

    def _deliver(self, address: str, body: bytes) -> int | None:
        """How much of it the collector refused; None when it got nothing."""
        if self._options.gzip:
            body = zlib.compress(body, wbits=31)
        pause = self._options.pause
        for number in range(TRIES):
            try:
                rejected = self._encoding.rejected(self._poster.post(address, body))
            except Refused as error:
                self._failed(error)
                return None
            except Retry as error:
                self._failed(error)
                wait = min(LONGEST_PAUSE, max(pause, error.after))
                if number + 1 == TRIES or self._closing.wait(wait):
                    return None
                pause *= 2
            else:
                self._worked(rejected)
                return rejected
        return None

    def _failed(self, error: Exception) -> None:
        if not self._failing:
            _log.warning("the OpenTelemetry collector does not take what it is sent: %s", error)
        self._failing = True

    def _worked(self, rejected: int) -> None:
        if rejected:
            _log.warning("the OpenTelemetry collector refused %d of what it was sent", rejected)
        if self._failing:
            _log.info("the OpenTelemetry collector takes what it is sent again")
        self._failing = False
