"""Prometheus' text format (version 0.0.4), written from one sample.

The usual client library holds instruments of its own and costs 14 MB of memory; everything told here is read from the
sample that is there anyway, and the format is a page of rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from corral.monitoring.metrics.types import Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STATES = ("stopped", "starting", "loading", "ready", "busy", "stopping", "failed")

Sample = tuple[Mapping[str, str], float | int | None]
Gathered = tuple[str, str, str, Iterable[Sample]]
"""A metric that another room gathers: its name, kind and help, and its samples."""


def metric(name: str, kind: str, help_: str, samples: Iterable[Sample]) -> str:
    """One metric with its samples; those without a value are left out, and so is a metric without any."""
    lines = [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples if value is not None]
    if not lines:
        return ""
    shown = help_.replace("\\", "\\\\").replace("\n", "\\n")
    return "\n".join([f"# HELP {name} {shown}", f"# TYPE {name} {kind}", *lines, ""])


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return repr(float(value)) if isinstance(value, float) else str(value)


def exposition(
    snapshot: Snapshot, version: str, usage: Mapping[str, Mapping[str, int]], gateway: Iterable[Gathered] = ()
) -> str:
    """All metrics. `usage` has, by model, what was asked through the API: requests, failures and tokens; `gateway` what was asked
    of every provider."""
    told = [metric(*one) for one in gateway]
    return "".join([*_host(snapshot), *_server(snapshot, version), *_engines(snapshot), *_usage(usage), *told])


def _one(value: float | None) -> list[Sample]:
    return [({}, value)]


def _host(snapshot: Snapshot) -> list[str]:
    host = snapshot.host
    gpus = [({"gpu": str(index), "name": gpu.name}, gpu) for index, gpu in enumerate(host.gpus or ())]
    disk, network = host.disk or (None, None), host.network or (None, None)
    return [
        metric("corral_host_cpu_ratio", "gauge", "Share of the machine's processors in use.", _one(host.cpu)),
        metric("corral_host_memory_used_bytes", "gauge", "Memory in use.", _one(host.memory_used)),
        metric("corral_host_memory_total_bytes", "gauge", "Memory of the machine.", _one(host.memory_total)),
        metric("corral_host_disk_used_bytes", "gauge", "Used on the disk of the data folder.", _one(disk[0])),
        metric("corral_host_disk_total_bytes", "gauge", "Size of the disk of the data folder.", _one(disk[1])),
        metric("corral_host_network_received_bytes_per_second", "gauge", "Received by all networks.", _one(network[0])),
        metric("corral_host_network_sent_bytes_per_second", "gauge", "Sent by all networks.", _one(network[1])),
        metric("corral_gpu_utilization_ratio", "gauge", "Share of time the card worked.", [(n, g.use) for n, g in gpus]),
        metric("corral_gpu_memory_used_bytes", "gauge", "Memory of the card in use.", [(n, g.memory_used) for n, g in gpus]),
        metric("corral_gpu_memory_total_bytes", "gauge", "Memory of the card.", [(n, g.memory_total) for n, g in gpus]),
        metric("corral_gpu_temperature_celsius", "gauge", "Temperature of the card.", [(n, g.temperature) for n, g in gpus]),
        metric("corral_gpu_power_watts", "gauge", "Power the card draws.", [(n, g.power) for n, g in gpus]),
    ]  # fmt: skip


def _server(snapshot: Snapshot, version: str) -> list[str]:
    server = snapshot.server
    return [
        metric("corral_info", "gauge", "The version that runs.", [({"version": version}, 1)]),
        metric("corral_uptime_seconds", "gauge", "Seconds since the start.", _one(server.uptime)),
        metric("corral_memory_bytes", "gauge", "Resident memory of the server itself.", _one(server.rss)),
        metric("corral_cpu_cores", "gauge", "Processors that the server itself uses.", _one(server.cpu)),
        metric("corral_sockets", "gauge", "Open Socket.IO connections.", _one(server.sockets)),
        metric("corral_log_lines_dropped_total", "counter", "Log lines that could not be written.", _one(server.logs_dropped)),
        metric("corral_sample_timestamp_seconds", "gauge", "When these figures were taken.", _one(snapshot.at.timestamp())),
    ]  # fmt: skip


def _engines(snapshot: Snapshot) -> list[str]:
    engines = [({"model": one.name}, one) for one in snapshot.engines]
    states: list[Sample] = [
        ({"model": one.name, "state": state}, int(one.state == state))
        for one in snapshot.engines
        for state in dict.fromkeys((*_STATES, one.state))
    ]

    def each(name: str, kind: str, help_: str, read: Any) -> str:
        return metric(name, kind, help_, [(labels, read(one)) for labels, one in engines])

    return [
        metric("corral_engine_state", "gauge", "1 for the state that the engine is in.", states),
        each("corral_engine_sleeping", "gauge", "1 while it has given its weights back.", lambda e: int(e.sleeping)),
        each("corral_engine_memory_bytes", "gauge", "Resident memory of the engine's processes.", lambda e: e.rss),
        each("corral_engine_cpu_cores", "gauge", "Processors that the engine uses.", lambda e: e.cpu),
        each("corral_engine_tokens_per_second", "gauge", "Tokens generated a second.", lambda e: e.tokens_per_second),
        each("corral_engine_prompt_tokens_per_second", "gauge", "Prompt tokens read a second.", lambda e: e.prompt_tokens_per_second),
        each("corral_engine_tokens_total", "counter", "Tokens generated since the engine's start.", lambda e: e.tokens),
        each("corral_engine_prompt_tokens_total", "counter", "Prompt tokens read since the engine's start.", lambda e: e.prompt_tokens),
        each("corral_engine_requests_total", "counter", "Requests since the server's start.", lambda e: e.requests),
        each("corral_engine_slots", "gauge", "Requests that it answers at once.", lambda e: e.slots),
        each("corral_engine_slots_busy", "gauge", "Requests under way.", lambda e: e.slots_busy),
        each("corral_engine_queue", "gauge", "Requests that wait.", lambda e: e.queue),
        each("corral_engine_kv_use_ratio", "gauge", "Share of its context memory in use.", lambda e: e.kv_use),
    ]  # fmt: skip


def _usage(usage: Mapping[str, Mapping[str, int]]) -> list[str]:
    def each(name: str, help_: str, key: str) -> str:
        return metric(name, "counter", help_, [({"model": model}, one.get(key)) for model, one in usage.items()])

    return [
        each("corral_api_requests_total", "Requests to /v1.", "requests"),
        each("corral_api_failures_total", "Requests to /v1 that failed for a reason of ours.", "failures"),
        each("corral_api_prompt_tokens_total", "Prompt tokens of requests to /v1.", "promptTokens"),
        each("corral_api_completion_tokens_total", "Tokens answered to requests to /v1.", "completionTokens"),
    ]
