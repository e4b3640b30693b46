"""Identifiers: opaque, not guessable, sortable by time.

The form is a prefix and a ULID (48 bits of milliseconds, 80 random bits, Crockford base 32). Ids made in one process
increase strictly: within one millisecond the random part counts up.
"""

from __future__ import annotations

import secrets
import threading
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BITS = 80


class IdMaker:
    """Makes ids that increase strictly, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._millis = 0
        self._random = 0

    def __call__(self, prefix: str) -> str:
        """A new id such as `agt_01J…` (26 characters after the prefix)."""
        with self._lock:
            millis = time.time_ns() // 1_000_000
            if millis > self._millis:
                # The top bit stays free, so that counting up never overflows within a millisecond.
                self._millis, self._random = millis, secrets.randbits(_RANDOM_BITS - 1)
            else:
                self._random += 1 + secrets.randbits(32)
            value = (self._millis << _RANDOM_BITS) | self._random
        return f"{prefix}_{_encode(value)}"


def _encode(value: int) -> str:
    letters = []
    for _ in range(26):
        letters.append(_ALPHABET[value & 31])
        value >>= 5
    return "".join(reversed(letters))


new_id = IdMaker()


def new_request_id() -> str:
    """An id for one request, 20 hexadecimal characters; cheaper than `new_id`, not sortable."""
    return "req_" + secrets.token_hex(10)
