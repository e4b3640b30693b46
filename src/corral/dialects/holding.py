"""Tool calls of a stream, held back until they are whole, for dialects that tell calls whole."""

from __future__ import annotations

from dataclasses import dataclass, field

from corral.dialects.fields import object_text
from corral.dialects.form import ToolCall, ToolCallDelta
from corral.kit.errors import UpstreamFailed

MAX_ARGUMENTS = 8 * 1024 * 1024
"""Characters of the arguments of a tool call that is still being told."""


_LOOKS = 64
"""How often a call is looked at for being whole before something else begins: looking costs as much as it is long."""


@dataclass(slots=True)
class _Call:
    id: str
    name: str
    signature: str | None = None
    pieces: list[str] = field(default_factory=list)
    size: int = 0
    looks: int = 0

    def whole(self) -> bool:
        self.looks += 1
        arguments = "".join(self.pieces)
        return bool(arguments) and object_text(arguments) is not None

    def made(self) -> ToolCall:
        return ToolCall(self.id, self.name, "".join(self.pieces), self.signature)


class HeldCalls:
    """Takes pieces of calls in any order, gives whole calls in the order in which they began."""

    def __init__(self) -> None:
        self._calls: dict[tuple[int, int], _Call | None] = {}
        """By choice and number; None for those that were told."""

    def __bool__(self) -> bool:
        return bool(self._calls)

    def told(self, choice: int, index: int) -> None:
        """Notes a call that the client has already."""
        self._calls[choice, index] = None

    def begins(self, event: ToolCallDelta) -> bool:
        """Whether `event` is the first of its call."""
        return (event.choice, event.index) not in self._calls

    def add(self, event: ToolCallDelta) -> ToolCall | None:
        """The call, if it is seen to be whole now. Raises UpstreamFailed for a piece without a beginning, after its end, or
        without end."""
        key = (event.choice, event.index)
        if key not in self._calls:
            if event.id is None or event.name is None:
                raise UpstreamFailed("The answer has a piece of a tool call that never began.")
            self._calls[key] = _Call(event.id, event.name)
        call = self._calls[key]
        if call is None:
            if event.arguments.strip():
                raise UpstreamFailed("The answer has a piece of a tool call that had ended.")
            return None
        call.signature = event.signature or call.signature
        call.size += len(event.arguments)
        if call.size > MAX_ARGUMENTS:
            raise UpstreamFailed("The arguments of a tool call are endless.")
        call.pieces.append(event.arguments)
        if call.looks < _LOOKS and event.arguments.rstrip().endswith("}") and call.whole():
            self._calls[key] = None
            return call.made()
        return None

    def take(self, *, ended: int | None = None) -> list[tuple[int, ToolCall]]:
        """The calls that are whole, and all of the choice that has `ended`, each with its choice; they are given once."""
        found = []
        for key, call in self._calls.items():
            if call is not None and (key[0] == ended or (call.looks < _LOOKS and call.whole())):
                found.append((key[0], call.made()))
                self._calls[key] = None
        return found


def one_line(written: bytes) -> bytes:
    """JSON without line breaks: a model may put them between the words of a call's arguments, never into a string."""
    return written.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in written or b"\r" in written else written
