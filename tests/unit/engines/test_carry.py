"""KV state on disk, against a scripted engine that takes states and uses them, or does not."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from corral.engines.backends import Plan
from corral.engines.carry import Carry, key
from corral.engines.types import EngineSpec
from corral.kit.http import HttpPool, TcpAddress


class Scripted:
    """Answers what the carrying asks for. `reuses`: whether a restored state counts as cached."""

    def __init__(self, folder: Path, *, reuses: bool = True, tokens: int = 100) -> None:
        self.folder, self.reuses, self.tokens = folder, reuses, tokens
        self.restored = tokens
        self.erased = False
        self.asked: list[str] = []

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        self.asked.append(path)
        if path == "/slots":
            short = {"id": 1, "is_processing": False, "n_prompt_tokens": 3}
            busy = {"id": 2, "is_processing": True, "n_prompt_tokens": 500}
            return [{"id": 0, "is_processing": False, "n_prompt_tokens": self.tokens}, short, busy]
        if path == "/tokenize":
            return {"tokens": list(range(60))}
        if path == "/completion":
            return {"timings": {"cache_n": 60 if self.reuses and not self.erased else 0}}
        action = re.fullmatch(r"/slots/(\d+)\?action=(\w+)", path)
        assert action
        if action[2] == "erase":
            self.erased = True
            return {"n_erased": 1}
        if action[2] == "restore":
            self.erased = False
            return {"n_restored": self.restored}
        (self.folder / body["filename"]).write_bytes(b"s" * 1000)
        return {"n_saved": self.tokens, "n_written": 1000}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"content-length: (\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                data = json.dumps(self.answer(head.split()[1], json.loads(body or b"{}"))).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(data) + data)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()


@asynccontextmanager
async def engine(scripted: Scripted) -> AsyncIterator[tuple[HttpPool, Plan]]:
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    address = TcpAddress("127.0.0.1", server.sockets[0].getsockname()[1])
    pool = HttpPool(address)
    try:
        yield pool, Plan(address, b"", True, None, None)
    finally:
        pool.close()
        server.close()


@pytest.fixture
def spec(tmp_path: Path) -> EngineSpec:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    return EngineSpec("m", path, 4, 512, 4)


async def test_long_idle_slots_are_saved_and_restored(tmp_path: Path, spec: EngineSpec) -> None:
    carry = Carry(tmp_path / "kv", 10_000)
    folder = carry.folder(spec)
    assert folder is not None
    scripted = Scripted(folder)
    async with engine(scripted) as (pool, plan):
        assert await carry.save(spec, 0, pool, plan) == 100
        assert sorted(path.name for path in folder.iterdir()) == ["0-0.bin", "state.json"]
        assert carry.verdict(spec) is True
        assert await carry.restore(spec, 0, pool, plan) == 100
        # Another engine of the same model has files of its own, and the trial is not made again.
        assert await carry.restore(spec, 1, pool, plan) == 0
        before = scripted.asked.count("/tokenize")
        assert await carry.save(spec, 1, pool, plan) == 100
        assert scripted.asked.count("/tokenize") == before == 1
        assert (folder / "0-0.bin").exists()


async def test_pitfall_18_a_model_that_does_not_use_what_was_restored_is_marked(
    tmp_path: Path, spec: EngineSpec
) -> None:
    carry = Carry(tmp_path / "kv", 10_000)
    folder = carry.folder(spec)
    assert folder is not None
    scripted = Scripted(folder, reuses=False)
    async with engine(scripted) as (pool, plan):
        assert await carry.save(spec, 0, pool, plan) == 0
        assert carry.verdict(spec) is False
        assert list(folder.glob("*.bin")) == []
        count = len(scripted.asked)
        assert await carry.save(spec, 0, pool, plan) == 0
        assert await carry.restore(spec, 0, pool, plan) == 0
        assert len(scripted.asked) == count, "it is asked again though it is marked"


async def test_a_state_that_came_back_shorter_is_forgotten(tmp_path: Path, spec: EngineSpec) -> None:
    carry = Carry(tmp_path / "kv", 10_000)
    folder = carry.folder(spec)
    assert folder is not None
    scripted = Scripted(folder)
    async with engine(scripted) as (pool, plan):
        await carry.save(spec, 0, pool, plan)
        scripted.restored = 7
        assert await carry.restore(spec, 0, pool, plan) == 0
        assert list(folder.glob("*.bin")) == []
        scripted.restored = 100
        assert await carry.restore(spec, 0, pool, plan) == 0


async def test_what_is_larger_than_the_budget_is_not_written_twice(tmp_path: Path, spec: EngineSpec) -> None:
    carry = Carry(tmp_path / "kv", 500)
    folder = carry.folder(spec)
    assert folder is not None
    scripted = Scripted(folder)
    async with engine(scripted) as (pool, plan):
        await carry.save(spec, 0, pool, plan)
        assert list(folder.glob("*.bin")) == []
        count = len(scripted.asked)
        assert await carry.save(spec, 0, pool, plan) == 0
        # It knows by now how many bytes a token takes.
        assert scripted.asked[count:] == ["/slots"]


async def test_the_longest_unused_goes_first(tmp_path: Path, spec: EngineSpec) -> None:
    carry = Carry(tmp_path / "kv", 1500)
    specs = [spec, replace(spec, options={"rope_freq_base": 1.0})]
    folders = [carry.folder(one) for one in specs]
    for one, folder in zip(specs, folders, strict=True):
        assert folder is not None
        async with engine(Scripted(folder)) as (pool, plan):
            await carry.save(one, 0, pool, plan)
        for path in folder.glob("*.bin"):
            os.utime(path, (1, 1))
    assert folders[0] is not None
    assert folders[1] is not None
    assert list(folders[0].glob("*.bin")) == []
    assert len(list(folders[1].glob("*.bin"))) == 1


def test_a_key_tells_what_the_state_depends_on(spec: EngineSpec) -> None:
    plain = key(spec)
    assert key(replace(spec, slots=9, options={"temperature": 0.1, "idle_stop": 5})) == plain
    assert key(replace(spec, options={"cache_type_k": "q8_0"})) != plain
    assert key(replace(spec, model="the same file by another name")) != plain
    assert spec.path is not None
    os.utime(spec.path, (1, 1))
    assert key(spec) != plain


def test_who_keeps_nothing_has_no_folder(tmp_path: Path, spec: EngineSpec) -> None:
    assert Carry(tmp_path / "kv", 0).folder(spec) is None
    carry = Carry(tmp_path / "kv", 100)
    assert carry.folder(replace(spec, embeddings=True)) is None
    assert carry.folder(replace(spec, path=None)) is None
    assert not (tmp_path / "kv").exists()
