"""The hardware that engines run on, and what is to be said about each part of it: for `/api/hardware` and `corral doctor`."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from corral.models.fit.machine import look
from corral.models.fit.types import Device

Level = Literal["ok", "note", "problem"]
GB = 1_000_000_000
LEAST_MEMORY = 2 * GB
_CPUINFO = Path("/proc/cpuinfo")
_SPEED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("AVX", ("avx",)),
    ("AVX2", ("avx2",)),
    ("FMA", ("fma",)),
    ("F16C", ("f16c",)),
    ("AVX-512", ("avx512f",)),
    ("AVX-VNNI", ("avx_vnni", "avx512_vnni")),
    ("AMX", ("amx_tile",)),
    ("NEON", ("asimd", "neon")),
    ("DOTPROD", ("asimddp",)),
    ("SVE", ("sve",)),
)
"""What makes an engine fast, and the kernel's words for it (Linux, arch/*/include/asm/cpufeatures.h and hwcap.h)."""


@dataclass(frozen=True, slots=True)
class Check:
    """One part that was looked at; `remedy` says what would help."""

    name: str
    level: Level
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Hardware:
    """What the machine, or the container on it, has. Sizes in bytes.

    instructions: those among `_SPEED`; None where the system does not tell. memory_machine: of the whole machine, when a
    container gets less. cards: those that the embedded engine can use.
    """

    system: str
    architecture: str
    processor: str
    cores: int
    threads: int
    instructions: tuple[str, ...] | None
    memory_total: int
    memory_available: int
    memory_machine: int
    cards: tuple[Device, ...]

    def checks(self) -> tuple[Check, ...]:
        """The parts with what is to be said about them."""
        return (self._processor(), self._memory(), self._graphics())

    def as_dict(self) -> dict[str, Any]:
        """The form that goes out over HTTP."""
        return {
            "system": self.system,
            "architecture": self.architecture,
            "processor": self.processor,
            "cores": self.cores,
            "threads": self.threads,
            "instructions": list(self.instructions) if self.instructions is not None else None,
            "memory": {"total": self.memory_total, "available": self.memory_available, "machine": self.memory_machine},
            "cards": [asdict(card) for card in self.cards],
            "checks": [asdict(check) for check in self.checks()],
        }

    def _processor(self) -> Check:
        known = self.instructions
        told = f", {' '.join(known)}" if known else ""
        cores = f"{self.cores} core{'s' if self.cores != 1 else ''}"
        text = f"{self.processor or self.architecture}, {cores}{told}"
        if known is not None and self.architecture.lower() in ("x86_64", "amd64") and "AVX2" not in known:
            remedy = "Without AVX2 models answer several times slower; a virtual machine may have to be given the host's processor."
            return Check("processor", "note", text, remedy)
        return Check("processor", "ok", text)

    def _memory(self) -> Check:
        text = f"{_gb(self.memory_total)}, {_gb(self.memory_available)} of it available"
        if self.memory_total < self.memory_machine:
            text += f"; the machine has {_gb(self.memory_machine)}, this container may use less"
        if self.memory_total < LEAST_MEMORY:
            return Check(
                "memory", "note", text, "Only very small models fit. Give the machine or container more memory."
            )
        return Check("memory", "ok", text)

    def _graphics(self) -> Check:
        if not self.cards:
            return Check("graphics", "ok", "none that the embedded engine can use; the processor answers")
        return Check("graphics", "ok", ", ".join(f"{card.name} with {_gb(card.total)}" for card in self.cards))


def read() -> Hardware:
    """Looks at the machine. The first call takes up to some seconds: the engine's library is asked for its cards."""
    machine = look()
    return Hardware(
        system=f"{platform.system()} {platform.release()}".strip(),
        architecture=platform.machine(),
        processor=_name(),
        cores=machine.cores,
        threads=psutil.cpu_count() or 1,
        instructions=_instructions(),
        memory_total=machine.total,
        memory_available=machine.available,
        memory_machine=int(psutil.virtual_memory().total),
        cards=machine.devices,
    )


def instructions(cpuinfo: str) -> tuple[str, ...] | None:
    """Those among `_SPEED` that a text of /proc/cpuinfo names; None when it names no features."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip().lower() in ("flags", "features"):
            flags = set(value.lower().split())
            return tuple(name for name, words in _SPEED if not flags.isdisjoint(words))
    return None


def _instructions() -> tuple[str, ...] | None:
    try:
        return instructions(_CPUINFO.read_text())
    except OSError:
        return None


def _name() -> str:
    """The processor's name as its maker writes it; empty when nobody tells."""
    if sys.platform == "darwin":
        return _asked("sysctl", "-n", "machdep.cpu.brand_string")
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _asked(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _gb(size: int) -> str:
    return f"{size / GB:.1f} GB"
