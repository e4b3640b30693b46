"""When a crashed engine is started again, and what its last words mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.engines.policy import FIRST_DELAY, LONGEST_DELAY, diagnose, restart_delay


@pytest.mark.parametrize(
    ("crashes", "now", "delay"),
    [
        ([0.0], 0.0, 0.5),
        ([0.0, 1.0], 1.0, 1.0),
        ([0.0, 1.0, 2.0], 2.0, 2.0),
        ([0.0, 1.0, 2.0, 3.0], 3.0, None),
        ([0.0, 400.0], 400.0, 0.5),
    ],
)
def test_delays_double_and_end(crashes: list[float], now: float, delay: float | None) -> None:
    assert restart_delay(crashes, now, limit=3, window=300.0) == delay


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30), st.integers(1, 20))
def test_delays_stay_within_their_bounds(crashes: list[float], limit: int) -> None:
    now = max(crashes)
    delay = restart_delay(sorted(crashes), now, limit=limit, window=300.0)
    recent = sum(now - crash <= 300.0 for crash in crashes)
    assert (delay is None) == (recent > limit)
    assert delay is None or FIRST_DELAY <= delay <= LONGEST_DELAY


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("ggml_backend: failed to allocate buffer of size 99", "out_of_memory"),
        ("terminate called after throwing an instance of 'std::bad_alloc'", "out_of_memory"),
        ("bind: address already in use", "port_taken"),
        ("error: invalid argument: --what", "unknown_flag"),
        ("unknown model architecture: 'new'", "unsupported_model"),
        ("gguf_init_from_file: invalid magic characters", "bad_file"),
        ("cannot run /no/engine: No such file or directory", "not_found"),
        ("something else", "crashed"),
    ],
)
def test_last_words_are_understood(line: str, code: str) -> None:
    problem = diagnose("m", 1, ["before", line])
    assert problem.code == code
    assert problem.hint
    assert line in problem.text()


def test_a_kill_and_a_stall_are_named() -> None:
    assert diagnose("m", -9, []).code == "killed"
    assert diagnose("m", None, [], stalled=61.0).code == "no_progress"
