"""How packets become text: fast, since a list of thousands of models goes through here."""

from __future__ import annotations

from typing import Any

import orjson

from corral.realtime.lean_socketio import Packet


class FastJson:
    """What Socket.IO asks of a JSON library. The options of its own one (separators) change nothing here."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        """JSON without spaces. Raises TypeError for what JSON cannot say."""
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()

    @staticmethod
    def loads(text: str | bytes, **_: Any) -> Any:
        """The value of a JSON text. Raises ValueError."""
        return orjson.loads(text)


class TextPacket(Packet):  # type: ignore[misc]
    """A packet that never carries bytes, so its data need not be searched for any."""

    uses_binary_events = False
