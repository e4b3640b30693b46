"""One moment's figures. What is unknown is None; shares are 0 to 1, sizes bytes, processors in cores (1.0 = one core)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from corral.kit.clock import iso
from corral.kit.http import HttpPool


@dataclass(frozen=True, slots=True)
class Gpu:
    """One graphics card. Power in watts, temperature in degrees Celsius."""

    name: str
    use: float | None
    memory_used: int
    memory_total: int
    temperature: float | None = None
    power: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The wire form."""
        memory = {"used": self.memory_used, "total": self.memory_total}
        rest = {"temperature": self.temperature, "power": self.power}
        return {"name": self.name, "utilization": self.use, "memory": memory, **rest}


@dataclass(frozen=True, slots=True)
class HostFigures:
    """The machine. `disk` is used and total of the data folder's; `network` bytes a second received and sent."""

    cpu: float | None
    cores: int
    memory_used: int
    memory_total: int
    disk: tuple[int, int] | None
    network: tuple[float, float] | None
    gpus: tuple[Gpu, ...] | None
    uptime: float

    def as_dict(self) -> dict[str, Any]:
        """The wire form."""
        return {
            "cpu": self.cpu,
            "cores": self.cores,
            "memory": {"used": self.memory_used, "total": self.memory_total},
            "disk": {"used": self.disk[0], "total": self.disk[1]} if self.disk else None,
            "network": {"received": round(self.network[0]), "sent": round(self.network[1])} if self.network else None,
            "gpu": [one.as_dict() for one in self.gpus] if self.gpus is not None else None,
            "uptime": round(self.uptime),
        }


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """Corral's own process."""

    rss: int
    cpu: float | None
    uptime: float
    sockets: int
    logs_dropped: int

    def as_dict(self) -> dict[str, Any]:
        """The wire form."""
        more = {"uptime": round(self.uptime), "sockets": self.sockets, "logsDropped": self.logs_dropped}
        return {"rss": self.rss, "cpu": self.cpu, **more}


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """One engine. The rates are over the time since the sample before; totals count from the server's start."""

    name: str
    state: str
    rss: int | None = None
    cpu: float | None = None
    tokens_per_second: float | None = None
    prompt_tokens_per_second: float | None = None
    slots_busy: int = 0
    slots: int = 0
    kv_use: float | None = None
    queue: int = 0
    requests: int = 0
    tokens: int = 0
    prompt_tokens: int = 0
    sleeping: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The wire form."""
        return {
            "name": self.name,
            "state": self.state,
            "rss": self.rss,
            "cpu": self.cpu,
            "tokensPerSecond": self.tokens_per_second,
            "promptTokensPerSecond": self.prompt_tokens_per_second,
            "slotsBusy": self.slots_busy,
            "slots": self.slots,
            "kvUse": self.kv_use,
            "queue": self.queue,
            "requests": self.requests,
            "sleeping": self.sleeping,
        }


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at one moment."""

    at: datetime
    host: HostFigures
    server: ServerFigures
    engines: tuple[EngineFigures, ...]

    def as_dict(self) -> dict[str, Any]:
        """The wire form of `metrics:update`."""
        return {
            "at": iso(self.at),
            "host": self.host.as_dict(),
            "server": self.server.as_dict(),
            "engines": [one.as_dict() for one in self.engines],
        }

    @property
    def millis(self) -> int:
        """Its moment in milliseconds since 1970."""
        return int(self.at.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class EngineView:
    """What the collector is told of an engine: `pool` is None when it cannot be asked, `pid` when it is not ours.

    Several engines of one model have its name; their figures are told together.
    """

    name: str
    state: str
    pid: int | None
    slots: int
    busy: int
    queue: int
    requests: int
    pool: HttpPool | None = None
    headers: bytes = b""
    sleeping: bool = False


class Engines(Protocol):
    """Where the collector learns of engines (a port that `app` fills)."""

    def __call__(self) -> Sequence[EngineView]: ...
