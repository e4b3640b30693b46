"""Downloads of a small model from a scripted hub, without a server around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from corral.bus import MemoryBus
from corral.kit.clock import SystemClock
from corral.models.downloads import Downloads, Hub, Limits, Places
from tests.support import gguf_files
from tests.support.hub import FakeHub
from tests.support.waiting import eventually

REPO = "maker/Small-GGUF"
FILE = "Small-Q8_0.gguf"
HERE = "maker_Small-GGUF/" + FILE
PART = "maker_Small-GGUF/." + FILE + ".part"
MIB = 1 << 20


def model(size: int = 3 * MIB, seed: int = 1) -> bytes:
    """A model file of about `size` bytes."""
    rows = size // (64 * 4)
    tensors = {"token_embd.weight": (64, rows)}
    head = gguf_files.header(tensors=tensors)
    body = bytes((number * seed + number // 251) % 256 for number in range(65_536))
    weights = rows * 64 * 4
    return head + bytes(-len(head) % 32) + (body * (weights // len(body) + 1))[:weights]


class Room(NamedTuple):
    """The downloads, and what they stand on."""

    downloads: Downloads
    models: Path
    bus: MemoryBus
    arrived: list[Path]


async def fits(header: object, choices: Any) -> list[dict[str, Any]]:
    """Whether each choice fits: what is smaller than 4 MiB does."""
    return [{"verdict": "fits" if size < 4 * MIB else "no", "header": header is not None} for _, size in choices]


@asynccontextmanager
async def room(tmp_path: Path, hub: FakeHub, *, patience: float = 30.0, **limits: Any) -> AsyncIterator[Room]:
    """Downloads that are running, into `data/models`."""
    bus, arrived = MemoryBus(), list[Path]()

    async def come(path: Path) -> str | None:
        arrived.append(path)
        return path.stem

    places = Places(tmp_path / "data" / "downloads.json", tmp_path / "data" / "models")
    made = Downloads(
        places, Hub(hub.url, patience=patience), fits, come, clock=SystemClock(), bus=bus,
        limits=Limits(**{"pauses": (0.01,), **limits}),
    )  # fmt: skip
    await made.start()
    try:
        yield Room(made, places.models, bus, arrived)
    finally:
        await made.stop()


async def ended(room: Room, key: str) -> dict[str, Any]:
    """The download when it moves no more."""
    await eventually(lambda: room.downloads.get(key)["state"] not in ("queued", "running", "checking"), timeout=60)
    return room.downloads.get(key)


def left_over(room: Room) -> list[str]:
    """All files of the models' folder, hidden ones too."""
    return sorted(str(path.relative_to(room.models)) for path in room.models.rglob("*") if path.is_file())
