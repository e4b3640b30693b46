"""Identifiers: opaque, not guessable, sortable by time.

The form is a prefix and a ULID (48 bits of milliseconds, 80 random bits, Crockford base 32). Ids made in one process
increase strictly: within one millisecond the random part counts up.

Random bits are drawn from the system in blocks: every draw lets go of the interpreter, and a server that makes several ids a
request would wait each time until other threads give it back.
"""

from __future__ import annotations

import os
import threading
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_RANDOM_BITS = 80
_BLOCK = 4096


class RandomBytes:
    """The system's random bytes, each handed out once. For one thread at a time."""

    __slots__ = ("_block", "_place")

    def __init__(self) -> None:
        self._block = b""
        self._place = 0
        # A copy of this process must not hand out the same ones.
        os.register_at_fork(after_in_child=self._forget)

    def __call__(self, count: int) -> bytes:
        """The next `count` bytes."""
        place = self._place
        if place + count > len(self._block):
            self._block, place = os.urandom(max(_BLOCK, count)), 0
        self._place = place + count
        return self._block[place : place + count]

    def _forget(self) -> None:
        self._block, self._place = b"", 0


class IdMaker:
    """Makes ids that increase strictly, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = RandomBytes()
        self._millis = 0
        self._random = 0

    def __call__(self, prefix: str) -> str:
        """A new id such as `agt_01J…` (26 characters after the prefix)."""
        with self._lock:
            millis = time.time_ns() // 1_000_000
            if millis > self._millis:
                # The top bit stays free, so that counting up never overflows within a millisecond.
                self._millis, self._random = millis, int.from_bytes(self._bytes(10)) >> 1
            else:
                self._random += 1 + int.from_bytes(self._bytes(4))
            value = (self._millis << _RANDOM_BITS) | self._random
        return f"{prefix}_{_encode(value)}"

    def random_hex(self, count: int) -> str:
        """`count` random bytes as hexadecimal characters."""
        with self._lock:
            return self._bytes(count).hex()


def _encode(value: int) -> str:
    return "".join([_PAIRS[(value >> shift) & 1023] for shift in range(120, -1, -10)])


new_id = IdMaker()


class RequestIds:
    """Makes ids for requests, 20 hexadecimal characters each: cheaper than `new_id`, not sortable. From any thread."""

    __slots__ = ("_ready",)

    def __init__(self) -> None:
        self._ready: list[str] = []
        # A copy of this process must not hand out the same ones.
        os.register_at_fork(after_in_child=self._ready.clear)

    def __call__(self) -> str:
        """A new one."""
        try:
            # One step of the interpreter, so no two threads get the same.
            return "req_" + self._ready.pop()
        except IndexError:
            drawn = os.urandom(400 * 10).hex(" ", 10).split()
            self._ready += drawn[1:]
            return "req_" + drawn[0]


new_request_id = RequestIds()
