"""Calls of tools and their answers, in dialects that may name neither."""

from __future__ import annotations


class Pairing:
    """Gives ids to the calls of a conversation that have none, and finds the call that an answer belongs to."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, str]] = []
        """Calls without an answer yet, oldest first: id and name."""
        self._made = 0

    def call(self, identity: str | None, name: str) -> str:
        """The id of the next call."""
        if not identity:
            identity = f"call_{name}_{self._made}"
            self._made += 1
        self._waiting.append((identity, name))
        return identity

    def answer(self, identity: str | None, name: str | None) -> str:
        """The id of the call that the next answer belongs to: its own, else the oldest open call of that name, else the oldest.

        An answer to no call keeps what it has.
        """
        for place, (known, called) in enumerate(self._waiting):
            if (identity and known == identity) or (not identity and (not name or called == name)):
                del self._waiting[place]
                return known
        return identity or name or "call"
