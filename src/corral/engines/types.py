"""Engines as the rest of Corral sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from corral.engines.memory import Gauge, SystemGauge
from corral.kit.clock import iso
from corral.kit.errors import EngineFailed
from corral.kit.http import HttpPool
from corral.models.options.launching import for_engine
from corral.settings import AttachedEngine


class EngineState(StrEnum):
    """The states of product row EN-3."""

    STOPPED = "stopped"
    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    BUSY = "busy"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class EngineProblem:
    """Why an engine failed: a code, what happened, what to change, and its own last lines."""

    code: str
    message: str
    hint: str
    last_lines: tuple[str, ...] = ()

    def text(self) -> str:
        """One paragraph for an error message."""
        lines = "".join(f"\n  {line}" for line in self.last_lines[-5:])
        return f"{self.message} {self.hint}" + (f" Last lines of the engine:{lines}" if lines else "")

    def error(self, retry_after: float | None = None) -> EngineFailed:
        """The error that tells of it, with all that is known beside the text."""
        details = {"code": self.code, "hint": self.hint, "lastLines": list(self.last_lines)}
        return EngineFailed(self.text(), details=details, retry_after=retry_after)


@dataclass(frozen=True, slots=True)
class Stay:
    """How long engines of a model stay, and beside whom.

    pinned: never ended for others nor for being idle. replicas: engines behind the one name. group: models of the same
    group never run at the same time. idle_sleep, idle_stop: seconds without a request after which an engine frees its
    weights, and after which it ends; None never.
    """

    pinned: bool = False
    replicas: int = 1
    group: str | None = None
    idle_sleep: float | None = None
    idle_stop: float | None = None


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What is needed to run a model. `entry` is None for the embedded engine.

    options: the values that were set for it, checked, by their names in the catalogue; what is not set is the engine's
    default. context_length and slots are those in effect; embeddings and mmproj are what its file and folder say, where
    the options do not. memory_bytes: what it is expected to use, 0 when nobody has worked it out.
    """

    model: str
    path: Path | None
    size_bytes: int = 0
    context_length: int = 4096
    slots: int = 4
    embeddings: bool = False
    mmproj: Path | None = None
    entry: AttachedEngine | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    memory_bytes: int = 0
    stay: Stay = Stay()

    @property
    def attached(self) -> bool:
        """Whether it is a server of somebody else."""
        return self.entry is not None and self.entry.url is not None

    def runs_like(self, other: EngineSpec) -> bool:
        """Whether a running engine of the one is as good as one of the other."""
        mine = replace(self, stay=other.stay, memory_bytes=other.memory_bytes, options=for_engine(self.options))
        return mine == replace(other, options=for_engine(other.options))


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """One engine at one moment, or all engines of a model together.

    progress: 0 to 1 while loading. replica: its number among the engines of its model. waiting: requests that wait until
    it is ready. memory: measured bytes of it and all that it started. waits_for_memory: others have to leave first.
    sleeping: it has given its weights back and wakes with the next request. replicas: the parts that this is the sum of.
    """

    model: str
    state: EngineState
    progress: float | None = None
    pid: int | None = None
    started_at: datetime | None = None
    slots: int = 0
    busy: int = 0
    context_length: int | None = None
    restarts: int = 0
    error: EngineProblem | None = None
    replica: int = 0
    waiting: int = 0
    memory: int | None = None
    waits_for_memory: bool = False
    pinned: bool = False
    sleeping: bool = False
    last_used: datetime | None = None
    replicas: tuple[EngineStatus, ...] = ()

    @property
    def name(self) -> str:
        """One name an engine: the model's, with a number where there are several."""
        return f"{self.model}#{self.replica + 1}" if self.replica else self.model

    def as_dict(self) -> dict[str, Any]:
        """The wire form."""
        error = self.error
        return {
            "name": self.name,
            "model": self.model,
            "state": self.state.value,
            "progress": self.progress,
            "pid": self.pid,
            "startedAt": iso(self.started_at) if self.started_at else None,
            "slots": self.slots,
            "busy": self.busy,
            "contextLength": self.context_length,
            "restarts": self.restarts,
            "waiting": self.waiting,
            "memory": self.memory,
            "waitsForMemory": self.waits_for_memory,
            "pinned": self.pinned,
            "sleeping": self.sleeping,
            "lastUsed": iso(self.last_used) if self.last_used else None,
            "replicas": [one.as_dict() for one in self.replicas],
            "error": None
            if error is None
            else {
                "code": error.code,
                "message": error.message,
                "hint": error.hint,
                "lastLines": list(error.last_lines),
            },
        }


@dataclass(frozen=True, slots=True)
class Door:
    """An engine, the requests it took since the server's start, and how to ask it; `pool` is None while it is not ready.

    Whoever asks holds no lease: the engine does not count as busy and may stop meanwhile.
    """

    status: EngineStatus
    requests: int
    pool: HttpPool | None
    headers: bytes


class Specs(Protocol):
    """Where the engines learn of models (a port that `app` fills)."""

    def spec(self, model: str) -> EngineSpec:
        """What is needed to run `model`. Raises ModelNotFound, or EngineFailed for one that cannot be used."""
        ...


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Times in seconds and limits for all engines.

    start_stall: how long a start may go without progress. attach_patience: how long nobody may listen at an attached
    server. stop_grace: between SIGTERM and SIGKILL. drain: how long a stop waits for requests. health_interval: the
    first pause between two questions of a start. health_every, health_misses: a ready engine is asked so often, and is
    given up after so many misses in a row. crash_limit: failures within crash_window after which it stays down.
    memory_budget: bytes for all engines together, None for what the machine has. min_residency, max_wait: how long a
    model stays at least when others want its memory, and how long a request may wait for its turn. kv_budget: bytes on disk
    for the KV states of engines that have ended, 0 keeps none. gauge: how memory is measured.
    """

    start_stall: float = 60.0
    attach_patience: float = 3.0
    stop_grace: float = 5.0
    drain: float = 5.0
    health_interval: float = 0.05
    health_every: float = 5.0
    health_misses: int = 3
    crash_limit: int = 5
    crash_window: float = 300.0
    log_lines: int = 200
    memory_budget: int | None = None
    min_residency: float = 1.0
    max_wait: float = 300.0
    kv_budget: int = 2 << 30
    gauge: Gauge = field(default_factory=SystemGauge)
