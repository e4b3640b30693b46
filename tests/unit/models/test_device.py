"""Models for browsers: versions, limits, digests that are remembered, and files that are read in pieces."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
from pathlib import Path

import pytest

from corral.kit.errors import TooManyRequests
from corral.models.device import digests as digesting
from corral.models.device.digests import Digests, digest_of
from corral.models.device.files import PartFile, Readers
from corral.models.device.types import MAX_PART_BYTES, Mark, too_large, version_of


def mark_of(path: Path) -> Mark:
    told = path.stat()
    return Mark(str(path), told.st_size, told.st_mtime_ns)


async def known(digests: Digests, mark: Mark) -> str:
    async with asyncio.timeout(30):
        while (digest := digests.known(mark)) is None:
            await asyncio.sleep(0.01)
    return digest


def test_a_version_follows_the_files_and_not_their_folder() -> None:
    one = version_of([Mark("/a/x.gguf", 5, 7)])
    assert one == version_of([Mark("/b/x.gguf", 5, 7)])
    others = ([Mark("/a/x.gguf", 6, 7)], [Mark("/a/x.gguf", 5, 8)], [Mark("/a/y.gguf", 5, 7)])
    assert len({one, *map(version_of, others)}) == 4


def test_what_is_too_large_is_told_why() -> None:
    assert too_large([MAX_PART_BYTES], MAX_PART_BYTES) is None
    assert "less than 2 GiB" in str(too_large([MAX_PART_BYTES + 1], 2**40))
    assert "device_max_bytes" in str(too_large([10, 10], 19))


async def test_digests_are_worked_out_once_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, place = tmp_path / "a.gguf", tmp_path / "device" / "digests.json"
    path.write_bytes(b"x" * 3_000_000)
    mark = mark_of(path)
    first = Digests(place)
    await first.start()
    assert first.known(mark) is None
    first.want(mark)
    first.want(mark)
    assert await known(first, mark) == hashlib.sha256(b"x" * 3_000_000).hexdigest()
    async with asyncio.timeout(30):
        while not place.exists():
            await asyncio.sleep(0.01)
    await first.stop()

    monkeypatch.setattr(digesting, "digest_of", None)
    second = Digests(place)
    await second.start()
    assert second.known(mark) == first.known(mark)
    await second.stop()


async def test_a_file_that_is_gone_or_changed_has_no_digest_and_stops_nothing(tmp_path: Path) -> None:
    good, changed = tmp_path / "good.gguf", tmp_path / "changed.gguf"
    good.write_bytes(b"good")
    changed.write_bytes(b"now")
    old = Mark(str(changed), 3, 1)
    assert digest_of(old, threading.Event()) is None
    digests = Digests(tmp_path / "digests.json")
    await digests.start()
    digests.want(Mark(str(tmp_path / "gone.gguf"), 1, 1))
    digests.want(old)
    digests.want(mark_of(good))
    await known(digests, mark_of(good))
    assert digests.known(old) is None
    await digests.stop()


@pytest.mark.parametrize("kept", ["", "[]", "{}", '{"digests": 3}', '{"digests": [[1]]}', '{"digests": [["a", "b", "c", "d"]]}'])  # fmt: skip
async def test_what_cannot_be_read_is_forgotten(tmp_path: Path, kept: str) -> None:
    (tmp_path / "digests.json").write_text(kept)
    digests = Digests(tmp_path / "digests.json")
    await digests.start()
    assert digests.known(Mark("a", 1, 1)) is None
    await digests.stop()


async def test_no_more_is_remembered_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digesting, "REMEMBERED", 2)
    digests = Digests(tmp_path / "digests.json")
    await digests.start()
    marks = []
    for name in "abc":
        (tmp_path / name).write_text(name)
        marks.append(mark_of(tmp_path / name))
        digests.want(marks[-1])
        await known(digests, marks[-1])
    assert [digests.known(mark) is not None for mark in marks] == [False, True, True]
    await digests.stop()
    assert len(json.loads((tmp_path / "digests.json").read_text())["digests"]) <= 2


def test_a_file_that_changes_is_noticed_at_the_next_piece(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(bytes(range(100)))
    file = PartFile(path)
    assert file.read(10, 5) == bytes(range(10, 15))
    assert file.read(98, 5) is None
    os.utime(path, ns=(1, 1))
    assert file.read(10, 5) is None
    file.close()
    file.close()
    assert file.read(0, 1) is None


def test_a_pipe_is_no_model_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    with pytest.raises(OSError, match="not a regular file"):
        PartFile(tmp_path / "pipe.gguf")


async def test_no_more_files_are_open_than_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"abc")
    readers = Readers(threads=1, files=1)
    file = await readers.take(lambda: PartFile(path))
    with pytest.raises(TooManyRequests):
        await readers.take(lambda: PartFile(path))
    readers.give_back(file)
    with pytest.raises(FileNotFoundError):
        await readers.take(lambda: PartFile(tmp_path / "none"))
    readers.give_back(await readers.take(lambda: PartFile(path)))
    assert readers.open == 0
    readers.stop()


async def test_a_file_that_opens_for_nobody_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"abc")
    readers, may, opened = Readers(threads=1), threading.Event(), []

    def slowly() -> PartFile:
        may.wait(30)
        opened.append(PartFile(path))
        return opened[0]

    taking = asyncio.create_task(readers.take(slowly))
    await asyncio.sleep(0)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    may.set()
    async with asyncio.timeout(30):
        while readers.open:
            await asyncio.sleep(0.01)
    assert opened[0].read(0, 1) is None
    readers.stop()
