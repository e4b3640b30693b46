"""An answer that is kept, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

MAX_ANSWER = 8 * 1024 * 1024
"""Bytes of an answer that is kept, at most."""


class Kept(msgspec.Struct, frozen=True):
    """An answer as it was sent. expires: milliseconds since 1970, UTC."""

    body: bytes
    media_type: str
    headers: Mapping[str, str]
    expires: int

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return len(self.body) + 512


class AnswerStore(Protocol):
    """Keeps answers by tenant and key, at most so many bytes of them: the one that was used longest ago leaves first.

    A store that is away or slow has nothing and keeps nothing; it never raises and never holds up a request for long.
    """

    async def start(self) -> None:
        """Begins what runs beside requests."""
        ...

    async def get(self, tenant: str, key: str) -> Kept | None:
        """The answer, None when there is none or it is too old."""
        ...

    async def put(self, tenant: str, key: str, kept: Kept) -> None:
        """Keeps an answer, in place of an earlier one."""
        ...

    async def clear(self, tenant: str | None = None) -> None:
        """Forgets the answers of a tenant, or all."""
        ...

    async def stop(self) -> None:
        """Writes what is to be written and ends."""
        ...
