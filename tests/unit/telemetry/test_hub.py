"""Where lines come together: order, bounds, levels at run time, sinks that stand still."""

from __future__ import annotations

import logging
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.kit.errors import InvalidRequest
from corral.telemetry import LogLine, get_logger
from corral.telemetry.console import Console
from corral.telemetry.drain import Drain
from corral.telemetry.hub import KEPT_LINES, LogHub
from corral.telemetry.levels import MAX_RULES, Levels
from corral.telemetry.lines import decode, encode, plain
from tests.support.logs import own_hub, put


def test_ids_ascend_strictly_whatever_the_clock_says() -> None:
    hub = LogHub(Levels("info"))
    for moment in (5.0, 5.0, 3.0, 6.0):
        put(hub, "x", moment)
    ids = [int(line.id) for line in hub.recent()]
    assert ids == [5_000_000, 5_000_001, 5_000_002, 6_000_000]
    assert hub.recent()[-1].at == "1970-01-01T00:00:06.000Z"


def test_lines_of_many_threads_are_all_there_in_order() -> None:
    hub = LogHub(Levels("info"))

    def many() -> None:
        for _ in range(300):
            put(hub, "x")

    threads = [threading.Thread(target=many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [int(line.id) for line in hub.recent()]
    assert len(ids) == 2400
    assert ids == sorted(set(ids))


def test_memory_is_bounded_and_a_reader_is_told_what_it_missed() -> None:
    hub = LogHub(Levels("info"))
    _, begin, _ = hub.since(0)
    for number in range(KEPT_LINES + 500):
        put(hub, str(number))
    lines, following, lost = hub.since(begin)
    assert (len(lines), lost, lines[-1].message) == (KEPT_LINES, 500, str(KEPT_LINES + 499))
    assert hub.since(following) == ([], following, 0)
    for _ in range(2000):
        put(hub, "x" * 4000)
    assert sum(len(line.message) for line in hub.recent()) < 2_100_000


def test_lines_carry_level_source_request_and_facts() -> None:
    with own_hub() as hub:
        get_logger("corral.a").warning("it_happened", model="m", path=sys, api_key="hunter2")
        logging.getLogger("other").critical("plain %s", "line")
        logging.getLogger("other").debug("not this")
        first, second = hub.recent()
    assert (first.level, first.source, first.message) == ("warning", "corral.a", "it_happened")
    assert first.fields["model"] == "m"
    assert first.fields["api_key"] == "***"
    assert isinstance(first.fields["path"], str)
    assert (second.level, second.source, second.message) == ("error", "other", "plain line")


def test_what_cannot_be_told_ends_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def __str__(self) -> str:
            raise ValueError("no words")

    with own_hub() as hub:
        logging.getLogger("corral.a").warning("%s", Broken())
        logging.getLogger("corral.a").warning("after it")
        assert [line.message for line in hub.recent()] == ["after it"]
    assert "no words" in capsys.readouterr().err


def test_levels_change_at_run_time_for_all_and_for_single_sources() -> None:
    with own_hub() as hub:
        log, deep, engine = get_logger("corral.x"), logging.getLogger("corral.x.y"), logging.getLogger("engine.a_b")
        log.debug("1")
        hub.levels.change(rules={"corral.x": "debug"})
        log.debug("2")
        deep.debug("3")
        logging.getLogger("corral.z").debug("4")
        hub.levels.change("error")
        logging.getLogger("corral.z").warning("5")
        engine.info("6")
        hub.levels.change(rules={"engine": "info", "corral.x": None})
        engine.info("7")
        hub.levels.change(rules={"engine:a.b": "error"})
        engine.info("8")
        deep.debug("9")
        assert [line.message for line in hub.recent()] == ["2", "3", "7"]
        assert (hub.levels.default, hub.levels.rules) == ("error", {"engine": "info", "engine:a.b": "error"})


@pytest.mark.parametrize(
    ("level", "rules", "param"),
    [("loud", {}, "level"), (None, {"a": "LOUD"}, "levels.a"), (None, {"": "info"}, "levels"), (None, {"a\nb": "info"}, "levels"),
     (None, {"x" * 300: "info"}, "levels"), (None, {f"s{number}": "info" for number in range(MAX_RULES + 1)}, "levels")],
)  # fmt: skip
def test_a_level_that_is_none_changes_nothing(level: str | None, rules: dict[str, str], param: str) -> None:
    with own_hub() as hub:
        with pytest.raises(InvalidRequest) as caught:
            hub.levels.change(level, {"corral.good": "debug", **rules})
        assert caught.value.param == param
        assert (hub.levels.default, hub.levels.rules) == ("info", {})
        assert logging.getLogger("corral.good").level == logging.NOTSET


@given(
    st.text(),
    st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.lists(st.text()))),
)
def test_a_line_is_one_line_of_json_and_comes_back(message: str, fields: dict[str, object]) -> None:
    line = LogLine("1", "2026-01-01T00:00:00.000Z", "info", "s", message, "", plain(fields))
    text = encode(line)
    assert b"\n" not in text
    assert decode(text) is not None


def test_text_that_no_encoding_knows_is_told_all_the_same() -> None:
    with own_hub() as hub:
        get_logger("corral.a").info("a\ud800", name="b\udfff", more=["c\ud900"])
        logging.getLogger("x").info("d\ud800")
        for line in hub.recent():
            assert decode(encode(line)) == line


def test_a_sink_that_stands_still_holds_up_nobody_and_what_is_lost_is_told() -> None:
    gate, told = threading.Event(), list[tuple[int, int]]()

    def sink(batch: list[int], lost: int) -> int:
        gate.wait(30)
        told.append((len(batch), lost))
        return 0

    drain: Drain[int] = Drain("test", sink, limit=100)
    begin = time.monotonic()
    for number in range(5000):
        drain.put(number)
    assert time.monotonic() - begin < 20
    assert drain.lost >= 4800
    assert not drain.flush(0.01)
    gate.set()
    assert drain.flush(30)
    drain.put(1)
    assert drain.flush(30)
    assert sum(count for count, _ in told) + drain.lost == 5001
    assert sum(lost for _, lost in told) == drain.lost


def test_a_console_that_nobody_reads_is_given_up_quietly() -> None:
    class Gone:
        def isatty(self) -> bool:
            return False

        def write(self, text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None: ...

    console = Console(Gone(), background=True)  # type: ignore[arg-type]
    hub = LogHub(Levels("info"))
    hub.add_sink(console)
    put(hub, "one")
    hub.flush(30)
    assert console.lost == 1


def test_the_console_shows_of_engines_only_what_is_grave(capsys: pytest.CaptureFixture[str]) -> None:
    hub = LogHub(Levels("info"))
    hub.add_sink(Console())
    put(hub, "load: fine", source="engine:m")
    put(hub, "load: broken", source="engine:m", level="error")
    shown = capsys.readouterr().err
    assert "load: broken" in shown
    assert "load: fine" not in shown


def test_who_logs_while_a_line_is_taken_does_not_stand_in_the_way() -> None:
    class Chatty:
        """As an object that is thrown away while a line is taken, and logs."""

        lost = 0

        def put(self, line: LogLine) -> None:
            if line.message == "first":
                logging.getLogger("corral.nested").warning("second")

        def flush(self, seconds: float) -> bool:
            return True

    with own_hub() as hub:
        hub.add_sink(Chatty())
        thread = threading.Thread(target=lambda: logging.getLogger("corral.a").warning("first"), daemon=True)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()
        assert sorted(line.message for line in hub.recent()) == ["first", "second"]
