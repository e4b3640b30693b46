"""What the fit analysis is asked and what it answers. Sizes in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """Whether a model runs on this machine."""

    FITS = "fits"
    TIGHT = "tight"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Device:
    """A graphics card."""

    name: str
    total: int
    available: int


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory of this machine or container, what could be given to a new process now, its cores and cards.

    limit: what all engines may use together, None when only the machine limits them.
    """

    total: int
    available: int
    cores: int = 1
    devices: tuple[Device, ...] = ()
    limit: int | None = None

    @property
    def most(self) -> int:
        """What one engine may use when everybody else leaves."""
        reserve = min(1 << 30, self.total // 20)
        return max(0, min(self.total - reserve, self.limit if self.limit is not None else self.total))

    @property
    def free(self) -> int:
        """What one engine may use now."""
        return max(0, min(self.available - min(512 << 20, self.total // 40), self.most))


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of an engine that decide about its memory; the names of llama.cpp's options where there are such.

    ctx_size: tokens of one slot. gpu_layers: -1 means as many as there are, when there is a card. cache_ram in MiB.
    """

    ctx_size: int = 4096
    parallel: int = 1
    batch_size: int = 512
    ubatch_size: int = 512
    flash_attn: bool = True
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    kv_unified: bool = False
    swa_full: bool = False
    kv_offload: bool = True
    gpu_layers: int = -1
    n_cpu_moe: int = 0
    tensor_split: tuple[float, ...] = ()
    main_gpu: int = 0
    split_mode: str = "layer"
    cache_ram: int = 0
    ctx_checkpoints: int = 32
    checkpoint_min_step: int = 8192
    mmproj_offload: bool = True
    image_max_tokens: int = -1
    embeddings: bool = False
    load_mode: str = "auto"
    repack: bool = True
    draft_gpu_layers: int = -1
    draft_cache_type_k: str = "f16"
    draft_cache_type_v: str = "f16"


@dataclass(slots=True)
class Parts:
    """What the memory is needed for."""

    weights: int = 0
    kv: int = 0
    compute: int = 0
    output: int = 0
    projector: int = 0
    draft: int = 0
    adapters: int = 0
    prompt_cache: int = 0
    runtime: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return (
            self.weights + self.kv + self.compute + self.output + self.projector
            + self.draft + self.adapters + self.prompt_cache + self.runtime
        )  # fmt: skip

    def as_dict(self) -> dict[str, int]:
        """The wire form."""
        return {
            "weights": self.weights,
            "kv": self.kv,
            "compute": self.compute,
            "output": self.output,
            "projector": self.projector,
            "draft": self.draft,
            "adapters": self.adapters,
            "promptCache": self.prompt_cache,
            "runtime": self.runtime,
        }


@dataclass(frozen=True, slots=True)
class Prediction:
    """Memory with all slots full. `devices` has the bytes on each card, the rest is on the host."""

    parts: Parts
    devices: tuple[int, ...] = ()
    gpu_layers: int = 0

    @property
    def total(self) -> int:
        """Everywhere."""
        return self.parts.total

    @property
    def host(self) -> int:
        """In the machine's own memory."""
        return self.parts.total - sum(self.devices)


@dataclass(frozen=True, slots=True)
class Report:
    """The answer of an analysis."""

    prediction: Prediction
    verdict: Verdict
    reason: str
    machine: Machine
    recommended: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    measured: int | None = None
    """What its engine uses now, None when none runs."""

    def as_dict(self) -> dict[str, Any]:
        """The wire form."""
        machine, prediction = self.machine, self.prediction
        cards = [{"name": one.name, "total": one.total, "available": one.available} for one in machine.devices]
        used = zip((one.name for one in machine.devices), prediction.devices, strict=False)
        return {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "notes": list(self.notes),
            "total": prediction.total,
            "measured": self.measured,
            "parts": prediction.parts.as_dict(),
            "perDevice": {"host": prediction.host, **dict(used)},
            "machine": {
                "total": machine.total, "available": machine.available, "limit": machine.limit, "devices": cards,
            },
            "recommended": dict(self.recommended),
        }  # fmt: skip
