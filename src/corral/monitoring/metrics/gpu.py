"""NVIDIA cards by the driver's own library. Without the driver there is nothing, and nothing is loaded for it."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import sys
from typing import Any

from corral.monitoring.metrics.types import Gpu
from corral.telemetry import get_logger

_log = get_logger("corral.monitoring")
_LIBRARY = "nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1"


def open_nvml() -> Any:
    """The library, ready to be asked; None without a driver."""
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        return None
    pynvml = importlib.import_module("pynvml")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        _log.info("nvml_not_usable", reason=str(error))
        return None
    return pynvml


class Gpus:
    """Reads the cards. `nvml` is a module such as pynvml, or None."""

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        self._failed = 0

    def read(self) -> tuple[Gpu, ...] | None:
        """All cards now; None where there are none that can be asked. Takes a few milliseconds a card."""
        nvml = self._nvml
        if nvml is None:
            return None
        try:
            cards = tuple(
                self._card(nvml.nvmlDeviceGetHandleByIndex(index)) for index in range(nvml.nvmlDeviceGetCount())
            )
        except nvml.NVMLError as error:
            if not self._failed:
                _log.warning("gpu_not_readable", reason=str(error))
            self._failed += 1
            return None
        self._failed = 0
        return cards or None

    def _card(self, handle: Any) -> Gpu:
        nvml = self._nvml
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        name = nvml.nvmlDeviceGetName(handle)
        rates = self._ask(nvml.nvmlDeviceGetUtilizationRates, handle)
        power = self._ask(nvml.nvmlDeviceGetPowerUsage, handle)
        temperature = self._ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU)
        return Gpu(
            name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name),
            rates.gpu / 100 if rates is not None else None,
            int(memory.used),
            int(memory.total),
            float(temperature) if temperature is not None else None,
            power / 1000 if power is not None else None,
        )

    def _ask(self, question: Any, *arguments: Any) -> Any:
        """What a card says; None for what it cannot say, as many cannot tell their use."""
        with contextlib.suppress(self._nvml.NVMLError):
            return question(*arguments)
        return None
