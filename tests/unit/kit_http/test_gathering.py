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


async def test_connections_that_speak_in_one_turn_are_heard_in_their_order_and_one_that_breaks_silences_none() -> None:
    said: list[tuple[int, bytes]] = []

    class Heard(Wire):
        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

        def write(self, data: bytes) -> None:
            if self.number == 1:
                raise RuntimeError("the handle is closed")
            said.append((self.number, data))

    broken: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: broken.append(str(context["exception"])))
    ways = [Gathering(cast("asyncio.Transport", Heard(number)), loop) for number in range(3)]
    for one in (*ways, ways[0]):
        one.write(b"a")
    await asyncio.sleep(0)
    assert said == [(0, b"aa"), (2, b"a")]
    assert broken == ["the handle is closed"]
