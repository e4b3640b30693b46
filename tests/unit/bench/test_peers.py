"""The comparison's own parts: that the load sees what is missing, that nothing is made up, and that limits count."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest
from bench.frame import Result, upstream
from bench.peers import installing, phases, programs, report
from bench.peers.clients import MODEL, Answer, Streams, asked, request, whole
from bench.peers.cores import Cores
from bench.peers.phases import Contestant, Figures

EVENT = b'data: {"choices":[{"delta":{"content":"%d "}}]}\n\n'


def answer(*numbers: int, end: bytes = b"data: [DONE]\n\n", status: int = 200) -> Answer:
    return Answer(0.0, 0.1, 1.0, status, [*(EVENT % number for number in numbers), end])


@pytest.mark.parametrize(
    ("told", "good"),
    [
        (answer(0, 1, 2), True),
        (answer(0, 2), False),
        (answer(0, 1, 1, 2), False),
        (answer(0, 2, 1), False),
        (answer(0, 1, 2, end=b""), False),
        (answer(0, 1, 2, status=500), False),
        (Answer(0.0), False),
    ],
)
def test_a_stream_is_whole_only_with_every_event_in_order_and_its_end(told: Answer, good: bool) -> None:
    assert told.whole(3) is good


async def test_the_load_against_the_upstream() -> None:
    with upstream() as port:
        told = await whole(port, request(port, asked(MODEL, stream=False)), 4, 0.2)
        assert told.done > 10
        assert told.failed == 0
        streams, loop = Streams(port), asyncio.get_running_loop()
        quick = request(port, asked(MODEL, stream=True, chunks=20, interval=0.001))
        for stream in await asyncio.gather(*(streams.one(quick, loop.time() + 30) for _ in range(5))):
            assert stream.whole(20)
            assert stream.began <= stream.first <= stream.ended
        slow = request(port, asked(MODEL, stream=True, chunks=1000, interval=1.0))
        cut = await streams.one(slow, loop.time() + 0.3)
        assert cut.numbers() == [0]
        assert not cut.whole(1000)
        streams.close()
    refused = await Streams(port).one(quick, loop.time() + 5)
    assert not refused.status


@pytest.mark.parametrize("status", [b"503 Service Unavailable", b"200 OK"])
async def test_an_error_and_another_answer_count_as_failed(status: bytes) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    told = await whole(port, request(port, b"{}"), 2, 5.0)
    assert (told.done, told.failed) == (0, 2)
    server.close()


def test_everybody_has_a_turn_in_every_round() -> None:
    everybody = [Contestant(name, 1, MODEL, None) for name in "abc"]
    turns = "".join(one.name for one in phases.in_turn(everybody, 3))
    assert [sorted(turns[at : at + 3]) for at in (0, 3, 6)] == [["a", "b", "c"]] * 3
    assert len({turns[0], turns[3], turns[6]}) > 1


def figures(cpu: float, delivered: float = 1.0) -> Figures:
    return Figures(
        [cpu, cpu * 1.1], [100.0], [1.0], [cpu / 4], [cpu / 4], [delivered], [0.001, 0.002], 0, 0, 1.0, 10**8
    )


def comparison(*, litellm: bool, **ours: float) -> report.Comparison:
    names = [report.OWN, report.PROVIDER, *(["LiteLLM"] if litellm else [])]
    measured = {
        name: figures(0.006) if name == "LiteLLM" else figures(100e-6, **ours) for name in (report.DIRECT, *names)
    }
    missing = {} if litellm else {"LiteLLM": "not installed: no room", "nginx": "not installed"}
    return report.Comparison([Contestant(name, 1, MODEL, None) for name in names], measured, missing, 0.0, "one core")


def test_a_peer_that_is_not_there_has_no_figures() -> None:
    told = comparison(litellm=False)
    assert not any("LiteLLM" in one.name or "nginx" in one.name for one in report.results(told))
    assert all(len(cells) == 2 for _, cells in report.rows(told))
    assert "LiteLLM: not installed: no room" in report.printed(told)


def test_limits_and_ratios() -> None:
    told = comparison(litellm=True)
    by_name = {one.name: one for one in report.results(told)}
    ratio = by_name[f"{report.OWN}: LiteLLM's processor time a request"]
    assert ratio.value == pytest.approx(60)
    assert ratio.holds
    assert not Result("x", 49.9, "times", least=50).holds
    assert not Result("x", 151, "µs", 150).holds


def test_content_that_never_came_is_over_every_limit() -> None:
    told = comparison(litellm=False)
    told.figures[report.OWN].first[:] = [math.inf] * 2
    late = next(one for one in report.results(told) if one.name == f"{report.OWN}: added time to first content, p99")
    assert not late.holds
    assert "none in time" in report.printed(told)


def test_ratios_are_those_of_the_same_round() -> None:
    assert report.paired([1.0, 10.0, 2.0], [60.0, 600.0, 20.0]) == pytest.approx(60)


def test_the_section_is_put_in_place_of_the_one_before(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("# Benchmarks\n\nBefore.\n")
    report.write_section("One \\1.", page)
    report.write_section("Two.", page)
    text = page.read_text()
    assert text.startswith("# Benchmarks\n\nBefore.\n\n" + report.BEGIN)
    assert "Two." in text
    assert "One" not in text
    assert text.count(report.BEGIN) == text.count(report.END) == 1


def test_without_a_package_manager_nginx_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installing, "FOLDER", tmp_path)
    monkeypatch.setattr("shutil.which", lambda name, path=None: None)
    with pytest.raises(installing.NotInstalled, match="not on the PATH"):
        installing.nginx()


def test_a_program_that_ends_at_once_has_not_started(tmp_path: Path) -> None:
    setup = programs.Setup("peer", "1", ["sh", "-c", "echo no licence; exit 3"], programs.free_port(), {})
    with pytest.raises(programs.NotStarted, match="no licence"), programs.running(setup, tmp_path, Cores(None, None)):
        pass
