"""What is written in one turn of the loop goes out in one piece, in its order, and never waits for more than that."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from corral.kit.http.gathering import MOST, Gathering


class Wire:
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        self.told: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def close(self) -> None:
        self.told.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.told

    def get_extra_info(self, name: str) -> Any:
        return name

    abort = pause_reading = resume_reading = close


def gathered() -> tuple[Wire, Gathering]:
    wire = Wire()
    return wire, Gathering(cast("asyncio.Transport", wire), asyncio.get_running_loop())


async def test_a_turn_is_one_piece() -> None:
    wire, out = gathered()
    out.write(b"a")
    out.writelines([b"b", b"c"])
    assert wire.told == []
    await asyncio.sleep(0)
    assert wire.told == [b"abc"]
    out.write(b"d")
    await asyncio.sleep(0)
    assert wire.told == [b"abc", b"d"]
    assert out.get_extra_info("peername") == "peername"


async def test_much_goes_out_at_once_and_the_end_comes_behind_the_rest() -> None:
    wire, out = gathered()
    out.write(b"a")
    out.write(b"b" * MOST)
    assert wire.told == [b"a" + b"b" * MOST]
    out.write(b"c")
    out.close()
    await asyncio.sleep(0)
    assert wire.told[1:] == [b"c", "closed"]
    out.write(b"d")
    await asyncio.sleep(0)
    assert wire.told[1:] == [b"c", "closed"], "what comes behind the end goes nowhere"
