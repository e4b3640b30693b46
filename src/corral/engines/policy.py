"""Decisions about engines, as pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from corral.engines.types import EngineProblem

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
MEMORY_STEP = 1 << 20


class Progress:
    """When a start last made progress: a new line, or memory grown by MEMORY_STEP over all before."""

    def __init__(self, now: float) -> None:
        self.memory = 0
        self._lines = 0
        self._moment = now

    def seen(self, now: float, lines: int, memory: int) -> None:
        """Takes note of how many lines and bytes there are."""
        if lines > self._lines or memory >= self.memory + MEMORY_STEP:
            self._moment = now
            self._lines, self.memory = lines, max(self.memory, memory)

    def stalled(self, now: float) -> float:
        """Seconds without progress."""
        return now - self._moment


def restart_delay(crashes: Sequence[float], now: float, *, limit: int, window: float) -> float | None:
    """Seconds until the next try after the crashes at `crashes` (monotonic), None when it crashed too often.

    Exponential from FIRST_DELAY to LONGEST_DELAY over the crashes within the last `window` seconds.
    """
    recent = sum(now - moment <= window for moment in crashes)
    if recent > limit:
        return None
    return float(min(LONGEST_DELAY, FIRST_DELAY * 2 ** max(0, recent - 1)))


_OPTIONS = (
    r"requires a gpu|needs >= \d+ devices|lora adapter|clip model|mtmd|draft|speculative|mtp context|parse grammar"
    r"|chat template|buffer type|invalid device|flash_attn|control vector"
)
_REASONS: tuple[tuple[str, str, str], ...] = (
    (r"out of memory|failed to allocate|bad_alloc|cannot allocate|unable to allocate", "out_of_memory",
     "Not enough memory: use a smaller model, a shorter context or fewer slots."),
    (r"address already in use|couldn't bind|bind.*failed", "port_taken", "The port was taken; start it again."),
    (r"unknown argument|invalid argument|unrecognized (option|argument)|error while handling argument", "unknown_flag",
     "The engine does not know one of its options; check the command or the version of the engine."),
    (r"unknown model architecture|unsupported model", "unsupported_model",
     "This engine does not know the model's architecture; a newer engine may."),
    (_OPTIONS, "bad_option",
     "One of its options cannot be used with this model or on this machine."),
    (r"invalid magic|failed to load model|error loading model|gguf|corrupt|tensor .* not found|init server", "bad_file",
     "The file is damaged or incomplete; download it again."),
    (r"no such file|not found|permission denied", "not_found", "The program or the file is not there or may not be read."),
)  # fmt: skip


_ERROR = re.compile(r"^\s*[\d.]+ E (?:\w+ +)?(?:[\w()]+: +)*(\S.{0,300})")
"""A line of llama.cpp that says what went wrong; the first one is the cause of those behind it."""


def diagnose(model: str, code: int | None, lines: Sequence[str], *, stalled: float | None = None) -> EngineProblem:
    """What a failed start or a crash tells. `code` is the exit code (negative: the signal)."""
    said = [line for line in lines if line.strip()]
    last = tuple(said[-12:])
    cause = next((found.group(1) for line in said[-40:] if (found := _ERROR.search(line))), "")
    text = "\n".join((*last, cause)).lower()
    if stalled is not None:
        return EngineProblem(
            "no_progress",
            f"The engine of {model!r} made no progress for {stalled:.0f} s while starting.",
            "The model may be too large for this machine; see its last lines.",
            last,
        )
    how = f"ended with signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
    if code == -9:
        return EngineProblem(
            "killed", f"The engine of {model!r} was killed.", "The system may have run out of memory.", last
        )
    for pattern, name, hint in _REASONS:
        if re.search(pattern, text):
            why = f": {cause}" if cause else ""
            return EngineProblem(name, f"The engine of {model!r} {how}{why}.", hint, last)
    return EngineProblem(
        "crashed", f"The engine of {model!r} {how}.", "Start it again; its last lines may tell why.", last
    )
