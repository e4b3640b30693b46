"""What the doors ask of the memories of what happened lately."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from corral.inference.recent import Kept, RecentRequests
from corral.kit.clock import Clock
from corral.kit.errors import InvalidRequest, NotFound
from corral.monitoring.debug.forms import in_order, layer_of, span_form
from corral.monitoring.debug.pages import MAX_AGE, MAX_BYTES, MAX_MS, MAX_SPANS, PageFailure, PageSpan
from corral.telemetry import LogHub
from corral.telemetry.classification import Row, row_of
from corral.telemetry.failures import Failure, Failures, Noted
from corral.telemetry.lines import LogLine, moment
from corral.telemetry.ring import Group, SpanRing
from corral.telemetry.samples import Samples, aggregate
from corral.telemetry.spans import Kind, Span
from corral.telemetry.tracing import Tracing

MAX_LISTED = 500
DEVICE = "answer on this device"
"""The span of an answer that the model in a browser gave (web/src/engine/local/spans.ts)."""
_FIRST = ("first token on disk", "first token received")
MAX_LINES = 200


class ErrorLines:
    """The last lines of the log that tell of errors: a sink of `LogHub`, for any thread."""

    lost = 0

    def __init__(self) -> None:
        self._lines: deque[LogLine] = deque(maxlen=MAX_LINES)

    def put(self, line: LogLine) -> None:
        """See `telemetry.hub.Sink`."""
        if line.level == "error":
            self._lines.append(line)

    def flush(self, seconds: float) -> bool:
        """See `telemetry.hub.Sink`: nothing waits here."""
        return True

    def recent(self) -> list[LogLine]:
        """All of them."""
        return list(self._lines)


class Memories(NamedTuple):
    """Where it is kept."""

    ring: SpanRing
    requests: RecentRequests
    failures: Failures
    samples: Samples
    tracing: Tracing
    hub: LogHub
    lines: ErrorLines


class Debug:
    """Traces, failures and samples of this server."""

    def __init__(self, memories: Memories, clock: Clock) -> None:
        self._in = memories
        self._clock = clock
        self._pages = SpanRing(MAX_SPANS, MAX_BYTES)

    # traces

    def traces(self, kind: str | None = None, limit: int = 100) -> dict[str, Any]:
        """The last requests, the newest first. kind: `turn`, `control` or `request` (the data plane). Raises InvalidRequest."""
        if kind not in (None, "turn", "control", "request"):
            raise InvalidRequest("kind is turn, control or request.", param="kind")
        if not 1 <= limit <= MAX_LISTED:
            raise InvalidRequest(f"limit is 1 to {MAX_LISTED}.", param="limit")
        rows = [row for group in self._in.ring.groups() if (row := self._row(group)) and kind in (None, row["kind"])]
        known = {row["requestId"] for row in rows}
        # What a device answers by itself is known from its page alone.
        alone = [group for group in self._pages.groups() if group.request not in known and _by_device(group)]
        rows += [row for group in alone if (row := self._row(group)) and kind in (None, row["kind"])]
        if kind in (None, "request"):
            rows += [self._plain_row(one) for one in self._in.requests.recent(limit) if one.request not in known]
        rows.sort(key=lambda row: -row["start"])
        ring = self._in.ring
        kept = {"spans": ring.count, "bytes": ring.size, "forgotten": ring.forgotten}
        return {"traces": rows[:limit], "kept": kept}

    def trace(self, key: str) -> dict[str, Any]:
        """All of one request, by its id or its turn's. Raises NotFound."""
        group = self._in.ring.of(key) or self._pages.of(key)
        request = group.request if group is not None else key
        own, page = self._in.ring.of(request), self._pages.of(request)
        spans = [*(own.spans if own is not None else ())]
        for kept in self._in.requests.of(request):
            spans += self._in.requests.spans(kept)
        if not spans and page is None:
            raise NotFound(
                "Nothing is kept of this request: it is older than what memory holds, or the server was started since."
            )
        place = self._slot(request)
        forms = [span_form(span, layer_of(span), place) for span in spans]
        forms += [span_form(span, "browser", {}) for span in (page.spans if page is not None else ())]
        told = _about([*spans, *(page.spans if page is not None else ())])
        lost = sum(one.lost for one in (own, page) if one is not None)
        failures = [self._failure(one) for one in self._in.failures.recent() if request in one.requests]
        return {"requestId": request, **told, "spans": in_order(forms), "lost": lost, "errors": failures}

    def _row(self, group: Group) -> dict[str, Any] | None:
        spans = group.spans
        start, end = min(one.start for one in spans), max(one.end for one in spans)
        told = _about(spans)
        turn = next((one for one in spans if one.name == "turn"), None)
        kind = "turn" if turn is not None or told["turnId"] is not None or _by_device(group) else "control"
        first = next((at for one in spans for at, name in one.marks if name in _FIRST), None)
        error = next((one.error for one in spans if one.error), "")
        return {
            "requestId": group.request, "kind": kind, "name": _title(spans), **told, "start": start / 1e6,
            "ms": (end - start) / 1e6, "firstTokenMs": (first - start) / 1e6 if first is not None else None, "error": error,
            "spans": len(spans),
        }  # fmt: skip

    def _plain_row(self, kept: Kept) -> dict[str, Any]:
        start = self._in.requests.began(kept)
        first = kept.first_content
        return {
            "requestId": kept.request, "kind": "request", "name": f"{kept.operation} · {kept.dialect}", "turnId": None, "agentId": None,
            "model": kept.route, "start": start * 1e3, "ms": (kept.ended - kept.began) * 1e3 if kept.ended is not None else None,
            "firstTokenMs": (first - kept.began) * 1e3 if first is not None else None, "error": kept.error, "spans": None,
        }  # fmt: skip

    def _slot(self, request: str) -> dict[str, Any]:
        """Where an own engine did it: its log tells the slot and the task of a request."""
        lines: Iterable[LogLine] = reversed(self._in.hub.recent())
        found = next((one for one in lines if one.request_id == request and "slot" in one.fields), None)
        return {"slot": found.fields["slot"], "task": found.fields.get("task")} if found is not None else {}

    # failures

    def errors(self, limit: int = 100) -> dict[str, Any]:
        """The last failures, the latest first, each with its class. Raises InvalidRequest."""
        if not 1 <= limit <= MAX_LISTED:
            raise InvalidRequest(f"limit is 1 to {MAX_LISTED}.", param="limit")
        noted = self._in.failures.recent()
        told = {request for one in noted for request in one.requests}
        found = [self._failure(one) for one in noted]
        found += [_line_form(line) for line in self._in.lines.recent() if line.request_id not in told]
        found.sort(key=lambda one: str(one["last"]), reverse=True)
        return {"errors": found[:limit]}

    def _failure(self, noted: Noted) -> dict[str, Any]:
        row = row_of(noted.code)
        return {
            "id": noted.id, "message": noted.message or row.message, "where": noted.where, "first": moment(noted.first),
            "last": moment(noted.last), "count": noted.count, "about": noted.about, "requestIds": list(reversed(noted.requests)),
            "recovery": noted.recovery or None, **_class_form(row), "code": noted.code,
        }  # fmt: skip

    # samples

    def metrics(
        self, name: str | None, tags: Mapping[str, str], since: float | None, until: float | None, points: int = 0
    ) -> dict[str, Any]:
        """The names there are; of one of them, count, sum, avg, min, max and percentiles of its samples, and the last `points` of them."""
        if name is None:
            return {"names": self._in.samples.names()}
        given = {key: value for key, value in (("since", since), ("until", until)) if value is not None}
        found = self._in.samples.select(name, tags, **given)
        shown = found[-points:] if points else []
        return {
            "name": name, "tags": dict(tags), **aggregate(one.value for one in found),
            "from": found[0].at if found else None, "to": found[-1].at if found else None,
            "points": [{"at": one.at, "value": one.value, "tags": dict(one.tags)} for one in shown],
        }  # fmt: skip

    # pages

    def take(self, spans: Sequence[PageSpan], failures: Sequence[PageFailure]) -> int:
        """Keeps what a page tells; how much of it. What is not of these days, or has no end, is left out."""
        now, taken = self._clock.now().timestamp(), 0
        for one in spans:
            if abs(one.start - now) > MAX_AGE or not 0 <= one.ms <= MAX_MS:
                continue
            trace = self._in.tracing.new(one.trace_id, one.parent_id, one.span_id)
            start = int(one.start * 1e9)
            marks = [(int(at * 1e9), name) for at, name in one.marks]
            span = Span(
                trace, one.name, Kind.INTERNAL, start, start + int(one.ms * 1e6), one.attributes, one.error, one.request, marks
            )  # fmt: skip
            self._pages.put(span)
            self._in.tracing.take(span, keep=False)
            taken += 1
        for failure in failures:
            if abs(failure.at - now) <= MAX_AGE:
                about = {"page": "browser"}
                self._in.failures.add(
                    Failure(
                        failure.code, failure.message, failure.where, failure.request, failure.at, about, failure.recovery
                    )
                )  # fmt: skip
                taken += 1
        return taken


def _line_form(line: LogLine) -> dict[str, Any]:
    """A line of the log that tells of an error of which nobody else told."""
    about = {key: str(value)[:200] for key, value in line.fields.items() if key != "exception"}
    return {
        "id": f"line-{line.id}", "message": line.message[:500], "where": line.source, "first": line.at, "last": line.at, "count": 1,
        "about": about, "requestIds": [line.request_id] if line.request_id else [], "recovery": None, **_class_form(row_of("internal")),
    }  # fmt: skip


def _class_form(row: Row) -> dict[str, Any]:
    """What the table of failures says: see `telemetry.classification`."""
    steps = [step.strategy.value for step in row.steps]
    return {**row.facts, "strategy": steps, "userMessage": row.message, "action": row.action}


def _by_device(group: Group) -> bool:
    return any(span.name == DEVICE for span in group.spans)


def _about(spans: Sequence[Span]) -> dict[str, Any]:
    """Whose they are: turn, agent and model, as far as any of them says."""
    found: dict[str, Any] = {"turnId": None, "agentId": None, "model": None}
    for span in spans:
        for wanted, key in (("turnId", "turn"), ("agentId", "agent"), ("model", "model")):
            value = span.attributes.get(key)
            if found[wanted] is None and isinstance(value, str) and value:
                found[wanted] = value
    return found


def _title(spans: Sequence[Span]) -> str:
    """What the first of them does."""
    return min(spans, key=lambda one: (one.start, -one.end)).name
