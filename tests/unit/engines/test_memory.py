"""What processes use, and what the machine has."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from corral.engines import memory
from corral.engines.memory import Machine, SystemGauge, budget

GIB = 1 << 30


@pytest.mark.parametrize(
    ("setting", "total", "limit"),
    [(None, 8 * GIB, 8 * GIB - int(0.8 * GIB)), (None, 64 * GIB, 62 * GIB), (3 * GIB, 64 * GIB, 3 * GIB)],
)
def test_the_budget_is_what_was_set_or_the_machine_less_a_reserve(setting: int | None, total: int, limit: int) -> None:
    assert budget(setting, Machine(total, 0)) == pytest.approx(limit, abs=1)


def test_a_process_is_measured_with_all_that_it_started() -> None:
    hold = "held = bytearray(b'x') * (40 << 20)\n"
    inner = f"{hold}print('ready', flush=True)\nimport time; time.sleep(600)"
    outer = f"{hold}import subprocess, sys\nsubprocess.run([sys.executable, '-c', {inner!r}])"
    with subprocess.Popen([sys.executable, "-c", outer], stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            gauge = SystemGauge()
            assert gauge.used([process.pid])[process.pid] > 80 << 20
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert gauge.used([process.pid]) == {process.pid: 0}
    assert gauge.used([]) == {}


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = SystemGauge().machine()
    assert 0 < whole.available <= whole.total
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert SystemGauge().machine() == Machine(1_000_000, 600_000)
    (tmp_path / "memory.max").write_text("max\n")
    assert SystemGauge().machine().total == whole.total
