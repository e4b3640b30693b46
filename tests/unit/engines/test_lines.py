"""What an engine says: levels, and which request a task belongs to."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.engines.lines import LINES_A_SECOND, EngineLog, Leased, Trail, read_line
from tests.support.logs import own_hub


@pytest.mark.parametrize(
    ("line", "level", "text"),
    [("0.01.327.977 I slot print_timing: id  1 | task 1 | x", logging.INFO, "slot print_timing: id  1 | task 1 | x"),
     ("1.00.003.525 W srv          init: security", logging.WARNING, "srv          init: security"),
     (" E no such file", logging.INFO, " E no such file"), ("E llama_model_load: broken", logging.ERROR, "llama_model_load: broken"),
     ("D something", logging.DEBUG, "something"), ("INFO:     vLLM is up", logging.INFO, "INFO:     vLLM is up"),
     ("I", logging.INFO, "I"), ("", logging.INFO, "")],
)  # fmt: skip
def test_a_line_tells_its_level(line: str, level: int, text: str) -> None:
    assert read_line(line) == (level, text)


def test_a_request_leads_to_the_lines_of_its_task() -> None:
    with own_hub() as hub:
        log = EngineLog("qwen2.5:7b")
        log.append("0.00.000.001 I srv          init: model loaded")
        first = log.leased("req_a")
        log.append("0.00.360.986 I slot get_availabl: id  1 | task -1 | selected slot by LRU, t_last = -1")
        log.append("0.00.361.059 I slot launch_slot_: id  1 | task 7 | processing task, is_child = 0")
        log.leased("req_b")
        log.append("0.01.327.977 I slot print_timing: id  1 | task 7 | prompt eval time =     170.88 ms")
        log.append("0.01.328.000 I slot launch_slot_: id  0 | task 9 | processing task, is_child = 0")
        log.released(first)
        log.append("0.01.328.016 I slot      release: id  1 | task 7 | stop processing: n_tokens = 34, truncated = 0")
        log.append("0.01.328.020 E slot      release: id  0 | task 9 | failed")
        log.append("......")
        lines = hub.recent()
    assert {line.source for line in lines} == {"engine:qwen2.5:7b"}
    assert [line.request_id for line in lines] == ["", "", "req_a", "req_a", "req_b", "req_a", "req_b"]
    assert lines[2].fields == {"slot": 1, "task": 7}
    assert lines[-1].level == "error"
    assert log.tail()[-1] == "......"


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    moment = [100.0]
    monkeypatch.setattr("corral.engines.lines.time.monotonic", lambda: moment[0])
    return moment


def test_requests_that_begin_in_one_moment_are_candidates(now: list[float]) -> None:
    trail = Trail()
    for request in ("a", "b"):
        trail.leased(request)
    trail.launched(1)
    trail.launched(2)
    assert (trail.ids(1), trail.ids(2)) == (("a", "b"), ("a", "b"))
    trail.leased("c")
    trail.launched(3)
    assert trail.ids(3) == ("c",)
    trail.launched(4)
    assert trail.ids(4) == ()


def test_a_line_may_come_after_the_end_of_its_request(now: list[float]) -> None:
    trail = Trail()
    trail.released(trail.leased("quick"))
    trail.launched(1)
    assert trail.ids(1) == ("quick",)
    for request in ("one", "two"):
        trail.released(trail.leased(request))
    trail.launched(2)
    trail.launched(3)
    assert (trail.ids(2), trail.ids(3)) == (("one",), ("two",))


def test_a_request_that_never_began_is_at_most_a_candidate_and_soon_forgotten(now: list[float]) -> None:
    trail = Trail()
    trail.released(trail.leased("refused"))
    real = trail.leased("real")
    trail.launched(5)
    assert trail.ids(5) == ("real", "refused")
    trail.released(real)
    now[0] += 1.0
    trail.leased("next")
    trail.launched(6)
    assert trail.ids(6) == ("next",)


@given(st.lists(st.tuples(st.sampled_from(["lease", "release", "launch"]), st.integers(0, 3)), max_size=40))
def test_whoever_a_task_belongs_to_is_always_among_its_candidates(steps: list[tuple[str, int]]) -> None:
    """An engine begins requests in any order of those that hold a lease, and its lines come late."""
    trail, open_, begun, lines, owner, task, made = (
        Trail(),
        list[Leased](),
        set[str](),
        list[int](),
        dict[int, str](),
        0,
        0,
    )
    for what, number in steps:
        if what == "lease":
            made += 1
            open_.append(trail.leased(f"r{made}"))
            if number % 2:
                task += 1
                owner[task] = f"r{made}"
                begun.add(f"r{made}")
                lines.append(task)
        elif what == "release" and open_:
            gone = open_.pop(number % len(open_))
            if gone.request_id not in begun:
                # An answer that was given has begun.
                task += 1
                owner[task] = gone.request_id
                begun.add(gone.request_id)
                lines.append(task)
            trail.released(gone)
        elif lines:
            trail.launched(lines.pop(0))
    for one in lines:
        trail.launched(one)
    for one, request in owner.items():
        assert not trail.ids(one) or request in trail.ids(one)


def test_requests_that_never_begin_are_forgotten_too() -> None:
    trail = Trail()
    for number in range(5000):
        trail.leased(f"r{number}")
    assert len(trail._waiting) <= 256


def test_tasks_are_forgotten_in_time() -> None:
    trail = Trail()
    for number in range(1000):
        trail.leased(f"r{number}")
        trail.launched(number)
    assert trail.ids(0) == ()
    assert trail.ids(999) == ("r999",)


def test_an_engine_that_says_too_much_is_cut_and_its_last_lines_are_kept(now: list[float]) -> None:
    with own_hub() as hub:
        log = EngineLog("m")
        for number in range(LINES_A_SECOND + 700):
            log.append(f"line {number}")
        now[0] = 101.0
        log.append("later")
        lines = hub.recent()
    assert log.tail()[-1] == "later"
    assert lines[LINES_A_SECOND - 1].message == f"line {LINES_A_SECOND - 1}"
    assert "700 lines" in lines[LINES_A_SECOND].message
    assert [line.message for line in lines[LINES_A_SECOND + 1 :]] == ["later"]


def test_what_is_below_the_level_costs_nothing_and_secrets_are_masked() -> None:
    with own_hub("warning") as hub:
        log = EngineLog("m")
        log.append("I not this")
        log.append("W the key is Bearer abcdef123456\x1b[31m")
        [line] = hub.recent()
    assert "abcdef" not in line.message
    assert "\x1b" not in line.message
