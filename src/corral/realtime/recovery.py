"""What a socket followed, kept for a while after it was lost, so that it can go on when it comes back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from corral.kit.clock import Clock
from corral.realtime.connection import Following

MAX_SESSIONS = 10_000


class Recovery:
    """The sessions of lost sockets, by their secret name."""

    def __init__(self, clock: Clock, keep: float) -> None:
        self._clock = clock
        self._keep = keep
        self._sessions: OrderedDict[str, tuple[float, str, tuple[Following, ...]]] = OrderedDict()

    def keep(self, session: str, user_id: str, following: Iterable[Following]) -> None:
        """Keeps a session; the oldest is forgotten when there are too many."""
        self._forget_old()
        self._sessions[session] = (self._clock.monotonic() + self._keep, user_id, tuple(following))
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)

    def take(self, session: Any, user_id: str, offsets: Any) -> tuple[Following, ...] | None:
        """What the session of this user followed, from the client's next `offsets` on where it names them; once."""
        self._forget_old()
        found = self._sessions.get(session) if isinstance(session, str) else None
        if found is None or found[1] != user_id:
            return None
        del self._sessions[session]
        return tuple(replace(one, start=_next(offsets, one)) for one in found[2])

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        while self._sessions and next(iter(self._sessions.values()))[0] < now:
            self._sessions.popitem(last=False)


def _next(offsets: Any, following: Following) -> int:
    value = offsets.get(following.turn_id) if isinstance(offsets, dict) else None
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    return value if good and value is not None else following.start
