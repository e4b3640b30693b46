"""Search over memory and files: against a plain look at every line, page by page, and within bounds."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.bus import MemoryBus
from corral.kit.errors import InvalidRequest, NotFound, TooManyRequests
from corral.monitoring.logs import Logs
from corral.monitoring.logs import search as module
from corral.monitoring.logs.search import Wanted, matching, of_source, place, search
from corral.monitoring.logs.service import wanted
from corral.telemetry import LEVELS, Levels, LogFiles, LogHub, LogLine, level_number, list_files
from corral.telemetry.lines import encode, moment

DAY = 86_400_000_000
NOON = 1_800_014_400_000_000
WORDS = ["alpha", "Beta", "gamma ray", 'quo"te', "back\\slash", "Grüße", "a=b", "id:7"]


def line(
    number: int, level: str = "info", source: str = "corral.a", text: str = "x", request: str = "", **facts: object
) -> LogLine:
    return LogLine(str(number), moment(number / 1e6), level, source, text, request, dict(facts))


def write(folder: Path, lines: list[LogLine]) -> None:
    folder.mkdir(exist_ok=True)
    for one in lines:
        day = moment(int(one.id) / 1e6)[:10]
        with (folder / f"application-{day}.log").open("ab") as file:
            file.write(encode(one) + b"\n")
        if level_number(one.level) >= level_number("warning"):
            with (folder / f"errors-{day}.log").open("ab") as file:
                file.write(encode(one) + b"\n")


def many(count: int) -> list[LogLine]:
    """Lines of two days, of all levels, some about requests."""
    return [
        line(
            NOON + number * (DAY // count), LEVELS[number % 4], ("corral.a", "corral.ab", "engine:m", "engine:m2")[number % 4],
            f"{WORDS[number % len(WORDS)]} {number}", f"req_{number % 10}" if number % 3 else "", slot=number % 5, why=WORDS[number % 7],
        )
        for number in range(count)
    ]  # fmt: skip


QUERIES = [
    {}, {"level": "warning"}, {"level": "error"}, {"source": "corral"}, {"source": "corral.a"}, {"source": "engine"}, {"source": "engine:m"},
    {"text": "beta"}, {"text": "GAMMA RAY"}, {"text": 'quo"te'}, {"text": "back\\slash"}, {"text": "grüße"}, {"text": "slot=3"},
    {"text": "why=alpha"}, {"text": "id:7"}, {"text": "a=b"}, {"text": "nowhere"}, {"requestId": "req_3"}, {"requestId": "req_3", "level": "error"},
    {"text": "7", "source": "engine", "level": "info"}, {"after": str(NOON + DAY // 2)}, {"before": str(NOON + DAY // 3)},
    {"after": str(NOON + DAY // 4), "before": str(NOON + DAY // 2), "text": "beta"}, {"text": "engine:m2"},
]  # fmt: skip


@pytest.fixture(scope="module")
def lines() -> list[LogLine]:
    return many(6000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, lines: list[LogLine]) -> Path:
    made = tmp_path_factory.mktemp("search") / "logs"
    write(made, lines)
    return made


@pytest.mark.parametrize("query", QUERIES, ids=str)
@pytest.mark.parametrize("in_memory", [0, 1500, 6000])
def test_all_pages_together_are_what_a_plain_look_finds(
    folder: Path, lines: list[LogLine], query: dict[str, str], in_memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", 16 * 1024)
    what = wanted(query)
    expected = [one.id for one in lines if what.matches(one)]
    recent, found, before = lines[len(lines) - in_memory :], list[str](), what.before
    for _ in range(200):
        page = search(
            folder, recent, Wanted(what.level, what.source, what.text, what.request_id, before, what.after), 311
        )
        found = [one.id for one in page.lines] + found
        if not page.more:
            break
        assert page.before is not None
        assert before is None or page.before < before
        before = page.before
    assert found == expected


def test_the_plain_look_itself() -> None:
    one = line(NOON, "warning", "engine:m", "Slot released", "req_1", task=7, candidates=["req_2", "req_3"])
    for good in (
        {"level": "info"},
        {"source": "engine"},
        {"text": "slot REL"},
        {"text": "task=7"},
        {"requestId": "req_3"},
        {"text": "engine:"},
    ):
        assert wanted(good).matches(one), good
    for bad in (
        {"level": "error"},
        {"source": "eng"},
        {"text": "task=8"},
        {"requestId": "req_4"},
        {"before": str(NOON)},
        {"after": str(NOON)},
    ):
        assert not wanted(bad).matches(one), bad
    assert of_source("corral.agents", "corral")
    assert not of_source("corralx", "corral")


def test_a_search_gives_up_after_a_bounded_number_of_bytes_and_can_be_continued(
    folder: Path, lines: list[LogLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", 16 * 1024)
    monkeypatch.setattr(module, "MAX_BYTES", 100_000)
    before, pages, found = None, 0, list[LogLine]()
    while True:
        page = search(folder, [], Wanted(text="alpha 0", before=before), 10)
        assert page.scanned < 100_000 + 2 * 16 * 1024
        found, pages = page.lines + found, pages + 1
        if not page.more:
            break
        before = page.before
    assert pages > 5
    assert [one.id for one in found] == [one.id for one in lines if "alpha 0" in one.message]


def test_rubbish_in_a_file_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, [line(NOON), line(NOON + 1)])
    [file] = [one for one in list_files(tmp_path) if one.kind == "application"]
    text = file.path.read_bytes()
    file.path.write_bytes(b"\x00\xff\n" + text + b'{"id":7}\n\n{"id":"' + b"x" * 100_000 + b"\n" + b"half")
    assert [one.id for one in search(tmp_path, [], Wanted(), 10).lines] == [str(NOON), str(NOON + 1)]
    assert search(tmp_path / "none", [], Wanted(), 10).lines == []


@given(st.binary(max_size=400))
def test_no_file_breaks_the_search(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "application-2027-01-15.log").write_bytes(text)
    search(tmp_path, [], Wanted(text="x"), 10)
    b"".join(matching(list_files(tmp_path), Wanted(text="x")))


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, None), ("", None), ("17", 17), (17, 17), ("1970-01-01T00:00:01Z", 1_000_000), ("1970-01-01", 0)],
)
def test_places(value: str | int | None, told: int | None) -> None:
    assert place(value, "before") == told


@pytest.mark.parametrize("value", ["yesterday", "-5", "9" * 30, "²", "2026-13-01"])
def test_what_is_no_place_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        place(value, "before")
    assert caught.value.param == "before"


def room(tmp_path: Path) -> tuple[Logs, LogHub, LogFiles]:
    hub, files = LogHub(Levels("info")), LogFiles(tmp_path / "logs", days=36500, max_bytes=10**9)
    hub.add_sink(files)
    return Logs(hub, files, MemoryBus()), hub, files


async def test_a_download_has_all_lines_that_match_and_a_file_only_by_its_name(tmp_path: Path) -> None:
    logs, hub, _ = room(tmp_path)
    for number in range(50):
        hub.take(NOON / 1e6 + number, "info", "corral.a", f"line {number}", ("", {}))
    text = b"".join([piece async for piece in await logs.download({"text": "line 4"})])
    assert text.count(b"\n") == 11
    name = "application-2027-01-15.log"
    assert (await logs.file(name)).read_bytes().count(b"\n") == 50
    for bad in (
        "../corral.db",
        "corral.db",
        "application-2027-01-15.log/../x",
        "",
        "errors-2020-01-01.log",
        "/etc/passwd",
    ):
        with pytest.raises(NotFound):
            await logs.file(bad)


async def test_levels_are_told_on_the_bus_and_refusals_change_nothing(tmp_path: Path) -> None:
    bus, hub = MemoryBus(), LogHub(Levels("info"))
    logs = Logs(hub, None, bus)
    with bus.subscribe("logs") as heard:
        with pytest.raises(InvalidRequest):
            await logs.change("debug", {"x": "loud"})
        told = await logs.change("warning", {"engine": "error"})
        assert (told["level"], told["levels"], told["files"], told["days"]) == (
            "warning",
            {"engine": "error"},
            [],
            None,
        )
        async for topic, event in heard:
            assert (topic, event["event"], event["levels"]) == ("logs", "logs:config:changed", {"engine": "error"})
            break
    await logs.change("info", {"engine": None})
    with pytest.raises(InvalidRequest):
        await logs.search({}, 501)
    with pytest.raises(InvalidRequest):
        await logs.search({"level": "loud"})


async def test_too_many_searches_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    logs, _, _ = room(tmp_path)
    gate = threading.Event()

    def slow(*_: object) -> module.Found:
        gate.wait(30)
        return module.Found()

    monkeypatch.setattr("corral.monitoring.logs.service.search", slow)
    waiting = [asyncio.create_task(logs.search({})) for _ in range(16)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyRequests):
        await logs.search({})
    gate.set()
    assert all(not one["more"] for one in await asyncio.gather(*waiting))
