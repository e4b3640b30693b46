"""Which models a folder holds, and how changes are noticed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from corral.bus import MemoryBus
from corral.kit.clock import SystemClock
from corral.kit.errors import ModelNotFound
from corral.models import ModelRegistry, registry
from corral.models import describe as describing
from corral.models.gguf import Header, read_header
from tests.support.gguf_files import write
from tests.support.waiting import eventually


async def scan(*folders: Path, included: Path | None = None) -> ModelRegistry:
    found = ModelRegistry(folders, included, clock=SystemClock(), bus=MemoryBus())
    await found.rescan()
    return found


def names(found: ModelRegistry) -> list[str]:
    return [model.name for model in found.all()]


async def test_metadata_comes_from_the_file(tmp_path: Path) -> None:
    write(tmp_path / "small.gguf")
    model = (await scan(tmp_path)).get("small")
    assert (model.architecture, model.quantization, model.context_length) == ("llama", "Q8_0", 2048)
    assert (model.layers, model.heads, model.embedding_length, model.vocabulary) == (3, 4, 64, 100)
    assert (model.licence, model.title, model.tokenizer) == ("apache-2.0", "Small", "gpt2")
    assert model.parameters == 64 * 100 + 64 * 64 + 64
    assert model.size_bytes == (tmp_path / "small.gguf").stat().st_size
    assert model.problem is None


async def test_pitfall_16_split_files_are_one_model_and_a_missing_part_is_told(tmp_path: Path) -> None:
    for part in (1, 2, 3):
        write(tmp_path / f"big-0000{part}-of-00003.gguf", split__count=3)
    found = await scan(tmp_path)
    assert names(found) == ["big"]
    assert (found.get("big").parts, found.get("big").problem) == (3, None)
    for part in (2, 1):
        (tmp_path / f"big-0000{part}-of-00003.gguf").unlink()
        problem = (await scan(tmp_path)).get("big").problem
        assert problem is not None
        assert f"big-0000{part}-of-00003.gguf" in problem
    write(tmp_path / "lone.gguf", split__count=2)
    assert "one of 2 split files" in str((await scan(tmp_path)).get("lone").problem)


async def test_a_claim_of_many_parts_stays_readable(tmp_path: Path) -> None:
    write(tmp_path / "big-00001-of-99999.gguf", split__count=99999)
    problem = str((await scan(tmp_path)).get("big").problem)
    assert len(problem) < 200
    assert "more" in problem


async def test_pipes_devices_and_names_that_are_no_text(tmp_path: Path) -> None:
    write(tmp_path / "good.gguf")
    os.mkfifo(tmp_path / "pipe.gguf")
    os.mkfifo(tmp_path / "pipe.bin")
    (tmp_path / "zero.gguf").symlink_to("/dev/zero")
    (tmp_path / "folder.gguf").mkdir()
    with contextlib.suppress(OSError):  # where the file system takes such a name
        write(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.gguf")))
    found = await asyncio.wait_for(scan(tmp_path), 60)
    assert names(found) == ["good", "pipe", "zero"]
    assert [model.problem for model in found.all()].count(None) == 1


async def test_heads_that_differ_by_layer(tmp_path: Path) -> None:
    write(tmp_path / "m.gguf", llama__attention__head_count=[2, 8, 0])
    assert (await scan(tmp_path)).get("m").heads == 8


async def test_only_what_changed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counting(path: Path) -> Header:
        read.append(path.name)
        return read_header(path)

    monkeypatch.setattr(describing, "read_header", counting)
    write(tmp_path / "a.gguf")
    write(tmp_path / "b.gguf")
    found = await scan(tmp_path)
    write(tmp_path / "b.gguf", general__name="Replaced, of another length")
    await found.rescan()
    assert read == ["a.gguf", "b.gguf", "b.gguf"]
    assert found.get("b").title == "Replaced, of another length"


async def test_pitfall_16_projectors_are_paired_and_are_no_models(tmp_path: Path) -> None:
    write(tmp_path / "a" / "seer-7b.gguf")
    write(tmp_path / "a" / "talker-7b.gguf")
    write(tmp_path / "a" / "mmproj-seer-7b-f16.gguf", general__architecture="clip")
    found = await scan(tmp_path)
    assert names(found) == ["seer-7b", "talker-7b"]
    assert found.get("seer-7b").mmproj == tmp_path / "a" / "mmproj-seer-7b-f16.gguf"
    assert found.get("talker-7b").mmproj is None


async def test_what_is_no_model_is_left_out_or_told(tmp_path: Path) -> None:
    write(tmp_path / "good.gguf")
    shutil.copy(tmp_path / "good.gguf", tmp_path / "header.bin")
    (tmp_path / "other.bin").write_bytes(b"something else")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(3))
    (tmp_path / ".hidden.gguf").write_bytes(b"GGUF")
    (tmp_path / "notes.txt").write_text("GGUF")
    found = await scan(tmp_path, tmp_path / "none")
    assert names(found) == ["broken", "good", "header"]
    problem = found.get("broken").problem
    assert problem is not None
    assert "broken.gguf" in problem


async def test_links_and_names_that_meet(tmp_path: Path) -> None:
    write(tmp_path / "one" / "model.gguf")
    write(tmp_path / "two" / "model.gguf")
    (tmp_path / "one" / "loop").symlink_to(tmp_path / "one", target_is_directory=True)
    (tmp_path / "one" / "linked.gguf").symlink_to(tmp_path / "two" / "model.gguf")
    (tmp_path / "one" / "dangling.gguf").symlink_to(tmp_path / "nowhere.gguf")
    found = await scan(tmp_path / "one", tmp_path / "two")
    assert names(found) == ["dangling", "linked", "model", "two/model"]
    assert found.get("dangling").problem is not None
    with pytest.raises(ModelNotFound, match="'model'"):
        found.get("modell")


async def test_the_included_model_comes_last_and_only_when_nobody_took_its_name(
    tmp_path: Path, scripted_model: Path
) -> None:
    write(tmp_path / "z.gguf")
    found = await scan(tmp_path, included=scripted_model)
    assert names(found)[-1] == scripted_model.stem
    assert found.get(scripted_model.stem).included
    write(tmp_path / scripted_model.name)
    found = await scan(tmp_path, included=scripted_model)
    assert not found.get(scripted_model.stem).included


@pytest.fixture
async def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[ModelRegistry, MemoryBus]]:
    monkeypatch.setattr(registry, "WATCH_SECONDS", 0.05)
    bus = MemoryBus()
    found = ModelRegistry((tmp_path / "models",), None, clock=SystemClock(), bus=bus)
    await found.start()
    yield found, bus
    await found.stop()


async def test_changes_are_noticed_and_told(tmp_path: Path, watched: tuple[ModelRegistry, MemoryBus]) -> None:
    found, bus = watched
    with bus.subscribe("models") as told:
        path = write(tmp_path / "models" / "new.gguf")
        await eventually(lambda: names(found) == ["new"] and found.get("new").problem is None)
        assert (await anext(aiter(told)))[1]["event"] == "models:changed"
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    await eventually(lambda: found.get("new").problem is not None)
    path.write_bytes(whole)
    await eventually(lambda: found.get("new").problem is None)
    path.rename(tmp_path / "models" / "renamed.gguf")
    await eventually(lambda: names(found) == ["renamed"])
    (tmp_path / "models" / "renamed.gguf").unlink()
    await eventually(lambda: not found.all())
