"""A scripted OpenTelemetry collector: takes OTLP over HTTP in both forms, tells what it got, and misbehaves on demand. It knows nothing of `corral`.

`python -m tests.fakes.collector` prints its port. `POST /_script {"status", "delay", "retry_after", "rejected", "hang_up"}` says how
it answers from now on and forgets what it got; `GET /_seen` tells `spans`, `metrics`, `requests` (path, headers, bytes, status).

The numbers of fields are those of https://github.com/open-telemetry/opentelemetry-proto.
"""

from __future__ import annotations

import json
import struct
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Table = dict[int, tuple[str, Any]]
"""By number: the name of a field, and its kind: a word, a table of its own, or a list with one of them."""

_VALUE: Table = {
    1: ("stringValue", "text"),
    2: ("boolValue", "bool"),
    3: ("intValue", "int64"),
    4: ("doubleValue", "double"),
}
_ATTRIBUTE: Table = {1: ("key", "text"), 2: ("value", _VALUE)}
_RESOURCE: Table = {1: ("attributes", [_ATTRIBUTE])}
_SCOPE: Table = {1: ("name", "text"), 2: ("version", "text")}
_SPAN: Table = {
    1: ("traceId", "hex"), 2: ("spanId", "hex"), 3: ("traceState", "text"), 4: ("parentSpanId", "hex"), 5: ("name", "text"),
    6: ("kind", "int"), 7: ("startTimeUnixNano", "fixed64"), 8: ("endTimeUnixNano", "fixed64"), 9: ("attributes", [_ATTRIBUTE]),
    15: ("status", {2: ("message", "text"), 3: ("code", "int")}), 16: ("flags", "fixed32"),
}  # fmt: skip
_POINT: Table = {
    2: ("startTimeUnixNano", "fixed64"), 3: ("timeUnixNano", "fixed64"), 4: ("count", "fixed64"), 5: ("sum", "double"),
    6: ("bucketCounts", "fixed64s"), 7: ("explicitBounds", "doubles"), 9: ("attributes", [_ATTRIBUTE]), 11: ("min", "double"), 12: ("max", "double"),
}  # fmt: skip
_HISTOGRAM: Table = {1: ("dataPoints", [_POINT]), 2: ("aggregationTemporality", "int")}
_METRIC: Table = {1: ("name", "text"), 2: ("description", "text"), 3: ("unit", "text"), 9: ("histogram", _HISTOGRAM)}
TRACES: Table = {
    1: (
        "resourceSpans",
        [{1: ("resource", _RESOURCE), 2: ("scopeSpans", [{1: ("scope", _SCOPE), 2: ("spans", [_SPAN])}])}],
    )
}
METRICS: Table = {
    1: (
        "resourceMetrics",
        [{1: ("resource", _RESOURCE), 2: ("scopeMetrics", [{1: ("scope", _SCOPE), 2: ("metrics", [_METRIC])}])}],
    )
}


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A whole number, and where it ends. Raises IndexError for half of one."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def decode(table: Table, data: bytes) -> dict[str, Any]:
    """A message, named as OTLP's JSON form names it. Raises for what is none, or has fields that are not known."""
    found: dict[str, Any] = {}
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        wire, (name, kind) = tag & 7, table[tag >> 3]
        if wire == 0:
            value, at = varint(data, at)
            found[name] = {
                "bool": bool(value),
                "int64": str(value - (1 << 64) if value >> 63 else value),
                "int": value,
            }[kind]
        elif wire == 1:
            raw = data[at : at + 8]
            at += 8
            found[name] = struct.unpack("<d", raw)[0] if kind == "double" else str(struct.unpack("<Q", raw)[0])
        elif wire == 5:
            found[name] = struct.unpack("<I", data[at : at + 4])[0]
            at += 4
        else:
            length, at = varint(data, at)
            assert wire == 2, f"wire {wire}"
            raw = data[at : at + length]
            assert len(raw) == length, "half a field"
            at += length
            if isinstance(kind, list):
                found.setdefault(name, []).append(decode(kind[0], raw))
            else:
                found[name] = _sized(kind, raw)
    return found


def _sized(kind: Any, raw: bytes) -> Any:
    if isinstance(kind, dict):
        return decode(kind, raw)
    if kind in ("fixed64s", "doubles"):
        values = struct.unpack(f"<{len(raw) // 8}{'Q' if kind == 'fixed64s' else 'd'}", raw)
        return [str(one) for one in values] if kind == "fixed64s" else list(values)
    return raw.hex() if kind == "hex" else raw.decode()


def plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    """Attributes as plain values."""
    read = {"stringValue": str, "boolValue": bool, "intValue": int, "doubleValue": float}
    return {one["key"]: read[kind](value) for one in attributes for kind, value in one["value"].items()}


class Collector(ThreadingHTTPServer):
    """The script, and what came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.script: dict[str, Any] = {}
        self.forget()

    def forget(self) -> None:
        """As if nothing had come."""
        self.seen: dict[str, list[Any]] = {"spans": [], "metrics": [], "requests": []}

    def take(self, path: str, message: dict[str, Any]) -> None:
        """Keeps what a request tells."""
        signal, one = ("Spans", "spans") if path.endswith("/traces") else ("Metrics", "metrics")
        for told in message[f"resource{signal}"]:
            resource = plain(told.get("resource", {}).get("attributes", []))
            for scope in told[f"scope{signal}"]:
                for row in scope[one]:
                    row["resource"] = resource
                    row["scope"] = scope["scope"]["name"]
                    if one == "spans":
                        row["attributes"] = plain(row.get("attributes", []))
                    else:
                        for point in row["histogram"]["dataPoints"]:
                            point["attributes"] = plain(point.get("attributes", []))
                    self.seen[one].append(row)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Collector

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Says nothing."""

    def do_GET(self) -> None:
        """What came."""
        with self.server.lock:
            self._answer(200, json.dumps(self.server.seen).encode(), {"Content-Type": "application/json"})

    def do_POST(self) -> None:
        """OTLP, or a script."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = self.server
        if self.path == "/_script":
            with server.lock:
                server.script = json.loads(body)
                server.forget()
            self._answer(200, b"{}", {})
            return
        script = server.script
        kind = self.headers.get("Content-Type", "")
        status = script.get("status", 200)
        time.sleep(script.get("delay", 0))
        if script.get("hang_up"):
            self.close_connection = True
            return
        if self.headers.get("Content-Encoding") == "gzip":
            body = zlib.decompress(body, wbits=31)
        with server.lock:
            try:
                table = TRACES if self.path.endswith("/traces") else METRICS
                message = json.loads(body) if kind == "application/json" else decode(table, body)
                if status == 200:
                    server.take(self.path, message)
            except (ValueError, KeyError, IndexError, AssertionError, UnicodeDecodeError) as error:
                status = 400
                server.seen["requests"].append({"path": self.path, "bad": repr(error)})
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.seen["requests"].append(
                {"path": self.path, "headers": headers, "bytes": len(body), "status": status}
            )
        more = {"Retry-After": str(script["retry_after"])} if "retry_after" in script else {}
        told = b"{}" if kind == "application/json" else b""
        if "rejected" in script and status == 200:
            count = script["rejected"]
            told = (
                json.dumps({"partialSuccess": {"rejectedSpans": str(count)}}).encode()
                if kind == "application/json"
                else bytes((10, 2, 8, count))
            )
        self._answer(status, told, {"Content-Type": kind, **more})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    collector = Collector()
    sys.stdout.write(f"{collector.server_port}\n")
    sys.stdout.flush()
    collector.serve_forever()


if __name__ == "__main__":
    main()
