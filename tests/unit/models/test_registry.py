"""Which models a folder holds, and how changes are noticed."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from corral.bus import MemoryBus
from corral.kit.clock import SystemClock
from corral.kit.errors import ModelNotFound
from corral.models import ModelRegistry, registry
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


async def test_split_files_are_one_model_and_a_missing_part_is_told(tmp_path: Path) -> None:
    for part in (1, 2, 3):
        write(tmp_path / f"big-0000{part}-of-00003.gguf", split__count=3)
    found = await scan(tmp_path)
    assert names(found) == ["big"]
    assert (found.get("big").parts, found.get("big").problem) == (3, None)
    (tmp_path / "big-00002-of-00003.gguf").unlink()
    problem = (await scan(tmp_path)).get("big").problem
    assert problem is not None
    assert "1 of its 3" in problem


async def test_projectors_are_paired_and_are_no_models(tmp_path: Path) -> None:
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
    tmp_path: Path, included_model: Path
) -> None:
    write(tmp_path / "z.gguf")
    found = await scan(tmp_path, included=included_model)
    assert names(found)[-1] == included_model.stem
    assert found.get(included_model.stem).included
    write(tmp_path / included_model.name)
    found = await scan(tmp_path, included=included_model)
    assert not found.get(included_model.stem).included


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
