"""The machine, families of processes, and graphics cards."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from corral.monitoring.metrics.gpu import Gpus, open_nvml
from corral.monitoring.metrics.host import HostReader
from corral.monitoring.metrics.processes import _by_children, families
from tests.support.waiting import eventually

PARENT = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'x = b\"x\" * 40_000_000; input()']); print(1, flush=True); input()"


def test_the_machine_and_our_own_process_are_read(tmp_path: Path) -> None:
    reader = HostReader(tmp_path, Gpus(None))
    first = reader.read(set())
    begun = psutil.Process().cpu_times().user
    # The system counts processor time in steps of a hundredth of a second.
    while psutil.Process().cpu_times().user < begun + 0.05:
        sum(number * number for number in range(10_000))
    second = reader.read(set())
    assert first.host.cpu is None
    assert second.host.memory_total == psutil.virtual_memory().total
    assert 0 < second.host.memory_used <= second.host.memory_total
    assert second.host.disk is not None
    assert second.host.gpus is None
    assert second.own.rss > 10_000_000
    assert second.own.cpu_seconds > first.own.cpu_seconds
    assert second.host.as_dict()["gpu"] is None


async def test_a_family_is_measured_with_its_grandchildren() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        await eventually(lambda: families({process.pid})[process.pid].rss > 45_000_000)
        own = psutil.Process(process.pid).memory_info().rss
        assert families({process.pid, 2**22 + 5}).keys() == {process.pid}
        assert families({process.pid})[process.pid].rss > own
        # Both ways of counting come to the same once the family has settled.
        await eventually(
            lambda: abs(_by_children([process.pid])[process.pid].rss - families({process.pid})[process.pid].rss) < 3e6
        )
    finally:
        for child in psutil.Process(process.pid).children():
            child.kill()
        process.kill()
        process.wait()
    await eventually(lambda: families({process.pid}) == {})


def test_without_a_driver_there_are_no_cards() -> None:
    if open_nvml() is None:
        assert Gpus(None).read() is None


def test_a_driver_that_cannot_be_used_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    if open_nvml() is not None:
        pytest.skip("this machine has cards")
    monkeypatch.setattr("corral.monitoring.metrics.gpu.ctypes.CDLL", lambda _: None)
    assert open_nvml() is None


class Driver:
    """A driver with one card that tells everything and one that cannot tell its use, power and temperature."""

    class NVMLError(Exception):
        pass

    NVML_TEMPERATURE_GPU = 0
    broken = False

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - the library's names
        if self.broken:
            raise self.NVMLError("GPU is lost")
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetName(self, handle: int) -> Any:  # noqa: N802
        return b"Old card" if handle else "New card"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802
        return SimpleNamespace(used=100, total=1000)

    def _only_first(self, handle: int, value: Any) -> Any:
        if handle:
            raise self.NVMLError("Not Supported")
        return value

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802
        return self._only_first(handle, SimpleNamespace(gpu=37))

    def nvmlDeviceGetPowerUsage(self, handle: int) -> Any:  # noqa: N802
        return self._only_first(handle, 250_500)

    def nvmlDeviceGetTemperature(self, handle: int, _: int) -> Any:  # noqa: N802
        return self._only_first(handle, 61)


def test_cards_tell_what_they_can_and_a_lost_one_is_absent() -> None:
    driver = Driver()
    gpus = Gpus(driver)
    found = gpus.read()
    assert found is not None
    assert [one.as_dict() for one in found] == [
        {"name": "New card", "utilization": 0.37, "memory": {"used": 100, "total": 1000}, "temperature": 61.0, "power": 250.5},
        {"name": "Old card", "utilization": None, "memory": {"used": 100, "total": 1000}, "temperature": None, "power": None},
    ]  # fmt: skip
    driver.broken = True
    assert gpus.read() is None
    driver.broken = False
    assert gpus.read() is not None


@pytest.mark.parametrize("name", ["NVMLError", "nvmlInit", *[one for one in dir(Driver) if one.startswith("nvml")]])
def test_the_real_library_has_what_the_driver_of_the_tests_has(name: str) -> None:
    assert hasattr(importlib.import_module("pynvml"), name)
