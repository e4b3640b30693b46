"""When a crashed engine is started again, and what its last words mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.engines.policy import FIRST_DELAY, LONGEST_DELAY, MEMORY_STEP, Progress, diagnose, restart_delay


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


def test_the_first_error_of_many_is_the_cause() -> None:
    lines = [
        "0.00.021.400 I llama_context: constructing llama_context",
        "0.00.021.458 E llama_init_from_model: failed to initialize the context: MoE cache requires a GPU backend",
        *["0.00.021.460 E cmn  common_init_: failed to create context with model 'm.gguf'"] * 12,
    ]
    problem = diagnose("m", 1, lines)
    assert problem.code == "bad_option"
    assert (
        problem.message
        == "The engine of 'm' ended with code 1: failed to initialize the context: MoE cache requires a GPU backend."
    )


def test_a_kill_and_a_stall_are_named() -> None:
    assert diagnose("m", -9, []).code == "killed"
    assert diagnose("m", None, [], stalled=61.0).code == "no_progress"


def test_lines_and_grown_memory_are_progress() -> None:
    progress = Progress(0.0)
    progress.seen(1.0, 1, 0)
    assert progress.stalled(3.0) == 2.0
    progress.seen(4.0, 1, MEMORY_STEP)
    assert progress.stalled(5.0) == 1.0
    # Memory that comes and goes is none, and neither is a little of it.
    for moment, memory in ((6.0, 0), (7.0, MEMORY_STEP), (8.0, 2 * MEMORY_STEP - 1)):
        progress.seen(moment, 1, memory)
    assert progress.stalled(9.0) == 5.0
    assert progress.memory == MEMORY_STEP
    progress.seen(10.0, 1, 2 * MEMORY_STEP)
    assert progress.stalled(10.0) == 0.0


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 9), st.integers(0, 2**34))))
def test_memory_never_goes_back(seen: list[tuple[float, int, int]]) -> None:
    progress, highest = Progress(0.0), 0
    for now, lines, memory in sorted(seen):
        progress.seen(now, lines, memory)
        assert progress.memory >= highest
        assert 0.0 <= progress.stalled(now) <= now
        highest = progress.memory
