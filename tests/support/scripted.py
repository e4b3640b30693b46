"""A model that says what the test wrote, and an agents' room around it on a real database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

from corral.agents import AgentOptions, Agents, Event
from corral.bus import MemoryBus
from corral.dialects.form import ChatEvent, ChatRequest, Finished, ReasoningDelta, TextDelta, Usage, text_of
from corral.kit.clock import SystemClock
from corral.kit.errors import ContextExceeded
from corral.store import Database, Location


def answer_to(text: str) -> str:
    """What the scripted model answers: 20 words about the message; `words=N` in the message asks for more."""
    count = int(text.split("words=")[1].split(maxsplit=1)[0]) if "words=" in text else 20
    return "".join(f"{text[:12]}·{number} " for number in range(count))


class ScriptedSource:
    """Answers each message with `answer_to` it, one word at a time, from where the prefill ends.

    While `gate` is clear it says nothing more; `fail` is raised before the word of that index; `open` are calls under way.
    Its context holds `context` words, when that is set.
    """

    context: int | None = None

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.open = 0
        self.requests: list[ChatRequest] = []
        self.failures: list[tuple[int, Exception]] = []

    def longest_answer(self, model: str) -> int | None:
        """See `agents.ports.ModelSource`."""
        return None

    async def stream(self, user_id: str, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """See `agents.ports.ModelSource`."""
        self.requests.append(request)
        failing = self.failures.pop(0) if self.failures else None
        self.open += 1
        try:
            asked = next(text_of(one) for one in reversed(request.messages) if one.role == "user")
            whole = answer_to(asked)
            said = text_of(request.messages[-1]) if request.continues else ""
            assert whole.startswith(said), "the beginning of the answer is not what was said"
            read = sum(len(text_of(one).split()) for one in request.messages)
            room = 1 << 30 if self.context is None else self.context - read
            if room <= 0:
                raise ContextExceeded("too long", details={"n_prompt_tokens": read, "n_ctx": self.context})
            words = [word + " " for word in whole[len(said) :].split(" ")[:-1]]
            for number, word in enumerate(words[:room]):
                if failing is not None and number == failing[0]:
                    raise failing[1]
                await self.gate.wait()
                yield TextDelta(word)
                if "thinking" in asked:
                    # Neighbours of another kind stay events of their own.
                    yield ReasoningDelta("hm")
                await asyncio.sleep(0)
            yield Finished("stop" if room >= len(words) else "length")
            yield Usage(3 if self.context is None else read, min(room, len(words)))
        finally:
            self.open -= 1


OPTIONS = AgentOptions("Be brief.", 2048, grace=0.0)


class Room:
    """The agents over a database; `crash` and `start` are what a kill and a new server do to them."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self.source = ScriptedSource()
        self.bus = MemoryBus()

    async def start(self, options: AgentOptions = OPTIONS) -> None:
        """Opens the database and goes on."""
        self.database = await Database.open(self.location)
        self.agents = Agents(self.database, self.source, clock=SystemClock(), bus=self.bus, options=options)
        await self.agents.start()

    async def stop(self) -> None:
        """Leaves the turns where they are: without grace, an end like any other to the log."""
        await self.agents.stop()
        await self.database.close()

    async def log(self, user: str, agent: str, turn: str, start: int = 0) -> list[Event]:
        """The events of a turn to its end."""
        return [event async for event in self.agents.events(user, agent, turn, start)]


@contextlib.asynccontextmanager
async def room(folder: Path, url: str | None = None) -> AsyncIterator[Room]:
    """A room that is started and stopped."""
    one = Room(Location(folder / "corral.db", url))
    await one.start()
    try:
        yield one
    finally:
        await one.stop()
