"""What is said about the hardware."""

from __future__ import annotations

from dataclasses import replace

import psutil
import pytest

from corral.models.fit.types import Device
from corral.monitoring import hardware
from corral.monitoring.hardware import GB, Check, Hardware

MACHINE = Hardware(
    system="Linux 6",
    architecture="x86_64",
    processor="A processor",
    cores=4,
    threads=8,
    instructions=("AVX", "AVX2"),
    memory_total=16 * GB,
    memory_available=9 * GB,
    memory_machine=16 * GB,
    cards=(),
)


def check(machine: Hardware, name: str) -> Check:
    return next(one for one in machine.checks() if one.name == name)


def test_a_common_machine_is_well() -> None:
    assert {one.level for one in MACHINE.checks()} == {"ok"}
    assert check(MACHINE, "processor").text == "A processor, 4 cores, AVX AVX2"
    assert check(MACHINE, "memory").text == "16.0 GB, 9.0 GB of it available"
    assert "processor answers" in check(MACHINE, "graphics").text
    told = MACHINE.as_dict()
    assert told["memory"] == {"total": 16 * GB, "available": 9 * GB, "machine": 16 * GB}
    assert [one["name"] for one in told["checks"]] == ["processor", "memory", "graphics"]


@pytest.mark.parametrize(
    ("instructions", "architecture", "level"),
    [((), "x86_64", "note"), (("AVX",), "AMD64", "note"), ((), "aarch64", "ok"), (None, "x86_64", "ok")],
)
def test_a_processor_without_avx2_is_told(instructions: tuple[str, ...] | None, architecture: str, level: str) -> None:
    seen = check(replace(MACHINE, instructions=instructions, architecture=architecture), "processor")
    assert seen.level == level
    assert bool(seen.remedy) == (level == "note")


def test_little_memory_and_a_container_are_told() -> None:
    seen = check(replace(MACHINE, memory_total=GB), "memory")
    assert seen.level == "note"
    assert "the machine has 16.0 GB" in seen.text


def test_cards_are_named() -> None:
    cards = (Device("CUDA0", 24 * GB, 20 * GB),)
    assert check(replace(MACHINE, cards=cards), "graphics").text == "CUDA0 with 24.0 GB"


def test_instructions_are_read_as_the_kernel_writes_them() -> None:
    assert hardware.instructions("processor\t: 0\nflags\t\t: fpu avx avx2 fma avx512_vnni\n") == (
        "AVX", "AVX2", "FMA", "AVX-VNNI",
    )  # fmt: skip
    assert hardware.instructions("Features\t: fp asimd asimddp sve") == ("NEON", "DOTPROD", "SVE")
    assert hardware.instructions("model name\t: old") is None


def test_this_machine_is_read() -> None:
    seen = hardware.read()
    assert 0 < seen.memory_total <= seen.memory_machine == psutil.virtual_memory().total
    assert 1 <= seen.cores <= seen.threads
    assert seen.architecture
