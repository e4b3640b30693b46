"""Inference over providers of the test's choice: scripted programs, or ones that say what the test wrote."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from corral.accounts.types import Permission, Principal
from corral.bus import MemoryBus
from corral.dialects.form import ChatEvent, ChatRequest
from corral.dialects.ports import About, Dialect
from corral.dialects.registry import DIALECTS
from corral.engines import Engines
from corral.engines.types import EngineOptions, EngineSpec
from corral.inference import Hooks, Inference, Route
from corral.inference.routes.types import Candidate, RouteSpec, single
from corral.inference.types import Ask, Record, Reply
from corral.kit.clock import Clock, SystemClock
from corral.kit.errors import CorralError, ModelNotFound, Unavailable
from corral.providers.building import build_provider
from corral.providers.types import Abilities, Call, Prices, Provider, ProviderKey, ProviderSpec
from tests.support.providers import FakeProvider

ANN = Principal("ann", frozenset({Permission.INFERENCE}))


class NoModels:
    """A machine without models of its own."""

    def resolve(self, name: str | None) -> Route:
        """See `inference.local.Routes`."""
        raise ModelNotFound(f"There is no model {name!r}.")

    def spec(self, model: str) -> EngineSpec:
        """See `engines.types.Specs`."""
        raise ModelNotFound(f"There is no model {model!r}.")


class Fixed:
    """A directory that was written by hand."""

    def __init__(self, providers: Mapping[str, Provider], routes: Sequence[RouteSpec] = ()) -> None:
        self.providers = dict(providers)
        self.routes = {route.name: route for route in routes}

    def resolve(self, name: str | None) -> RouteSpec:
        """See `Directory.resolve`."""
        if name in self.routes:
            return self.routes[name]
        provider, _, model = (name or "").partition("/")
        if provider not in self.providers:
            raise ModelNotFound(f"There is no {name!r}.")
        return single(name or "", provider, model)

    def provider(self, name: str) -> Provider:
        """See `Directory.provider`."""
        if name not in self.providers:
            raise Unavailable(f"There is no provider {name!r}.")
        return self.providers[name]


class Recorded:
    """Keeps the records of requests."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def record(self, record: Record) -> None:
        """See `Recorder.record`."""
        self.records.append(record)

    @property
    def last(self) -> Record:
        """The newest."""
        return self.records[-1]


@dataclass
class Gateway:
    """Inference with what is around it."""

    inference: Inference
    directory: Fixed
    recorder: Recorded

    async def whole(self, model: str, dialect: str = "openai_chat", **body: Any) -> Reply:
        """A whole answer."""
        return await self.inference.whole(ANN, ask(model, dialect, stream=False, **body))

    async def pieces(self, model: str, dialect: str = "openai_chat", **body: Any) -> list[bytes]:
        """The pieces of a streamed answer."""
        async with aclosing(await self.inference.stream(ANN, ask(model, dialect, stream=True, **body))) as stream:
            return [piece async for piece in stream]

    async def text(self, model: str, dialect: str = "openai_chat", **body: Any) -> str:
        """The text of a streamed answer. Raises the error that it ends with."""
        return said(dialect, b"".join(await self.pieces(model, dialect, **body)))

    async def events(self, request: ChatRequest) -> list[ChatEvent]:
        """The answer to a request of our own."""
        async with aclosing(self.inference.chat(ANN, request)) as events:
            return [event async for event in events]


def read(dialect: str, stream: bytes) -> list[ChatEvent]:
    """What a client reads. Raises the error that the stream tells, UpstreamFailed when it is not whole."""
    reader = DIALECTS[dialect].reader()
    events = reader.feed(stream)
    return [*events, *reader.end()]


def said(dialect: str, stream: bytes) -> str:
    """The text that a client reads."""
    return "".join(event.text for event in read(dialect, stream) if type(event).__name__ == "TextDelta")  # type: ignore[union-attr]


def ask(model: str, dialect: str = "openai_chat", *, stream: bool, **body: Any) -> Ask:
    """A request as a client of the dialect sends it."""
    given: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "Tell me a story."}]}
    if dialect == "anthropic":
        given["max_tokens"] = 1000
    if dialect == "openai_responses":
        given = {"model": model, "input": "Tell me a story."}
    given = {**given, "stream": stream, **body}
    return Ask("chat", dialect, model, msgspec.json.encode(given), stream)


@contextlib.asynccontextmanager
async def gateway(
    folder: Path, providers: Mapping[str, Provider], *routes: RouteSpec, clock: Clock | None = None
) -> AsyncIterator[Gateway]:
    """Inference over `providers`."""
    clock = clock or SystemClock()
    none = NoModels()
    engines = Engines(none, folder / "run", clock=clock, bus=MemoryBus(), options=EngineOptions(), environ={})
    inference = Inference(none, engines, queue=10, clock=clock)
    directory, recorder = Fixed(providers, routes), Recorded()
    inference.use(directory, Hooks(recorder=recorder))
    try:
        yield Gateway(inference, directory, recorder)
    finally:
        await inference.stop()
        await engines.shut_down()
        for provider in providers.values():
            await provider.close()


def provider_of(fake: FakeProvider, name: str | None = None, **more: Any) -> Provider:
    """A real provider for a scripted program."""
    keys = more.pop("keys", (ProviderKey("main", "secret-1"),))
    return build_provider(ProviderSpec(name or fake.kind, fake.kind, fake.base_url, keys, **more))  # type: ignore[arg-type]


def route(name: str, *candidates: tuple[str, str] | Candidate, **more: Any) -> RouteSpec:
    """A route over `provider, model` pairs."""
    return RouteSpec(name, tuple(one if isinstance(one, Candidate) else Candidate(*one) for one in candidates), **more)


# providers that say what the test wrote

Answerer = Callable[[ChatRequest, int], Sequence[ChatEvent]]
"""The events of an answer, by the request and the number of the call."""


@dataclass
class Written:
    """A provider in this process that speaks a dialect. Its stream is cut after `cuts[n]` bytes in the call n; None lets it be.

    It goes on with a prefill when it `prefills`.
    """

    answer: Answerer
    speaks: str = "openai_chat"
    prefills: bool = True
    cuts: Sequence[int | None] = ()
    chunk: int | None = None
    name: str = "written"
    kind: Any = "compatible"
    keys: tuple[ProviderKey, ...] = ()
    requests: list[ChatRequest] = field(default_factory=list)
    fails: Callable[[int], CorralError | None] = lambda _: None

    @property
    def dialects(self) -> Mapping[Any, tuple[str, ...]]:
        """See `Provider.dialects`."""
        return {"chat": (self.speaks,)}

    def dialect(self, name: str) -> Dialect:
        """See `Provider.dialect`."""
        return DIALECTS[name]

    def abilities(self, model: str) -> Abilities:
        """See `Provider.abilities`."""
        return Abilities(prefill=self.prefills)

    def prices(self, model: str) -> Prices | None:
        """See `Provider.prices`."""
        return Prices(1.0, 2.0)

    async def open(self, call: Call) -> Any:
        """See `Provider.open`."""
        number = len(self.requests)
        dialect = DIALECTS[call.dialect]
        request = dialect.read_request(call.body)
        self.requests.append(request)
        failure = self.fails(number)
        if failure is not None:
            raise failure
        events = self.answer(request, number)
        if not call.stream:
            from corral.dialects.gathering import gather

            return InMemory([dialect.write_answer(gather(events), self._about(request))], "application/json", None)
        writer = dialect.writer(self._about(request))
        pieces = [*(writer.write(event) for event in events), writer.end()]
        cut = self.cuts[number] if number < len(self.cuts) else None
        stream = b"".join(pieces)
        if self.chunk is not None:
            pieces = [stream[at : at + self.chunk] for at in range(0, len(stream), self.chunk)]
        return InMemory([piece for piece in pieces if piece], dialect.media_type, cut)

    def _about(self, request: ChatRequest) -> About:
        return About("gen-1", "their-model", 1000, msgspec.structs.replace(request, include_usage=True))

    async def models(self) -> Any:
        """See `Provider.models`."""
        return []

    async def check(self, key: ProviderKey | None = None) -> Any:
        """See `Provider.check`."""
        raise NotImplementedError

    async def close(self) -> None:
        """See `Provider.close`."""


class InMemory:
    """An exchange of bytes that are there already; it breaks after `cut` of them."""

    status = 200
    whole = None
    """See `Exchange.whole`."""

    def __init__(self, pieces: Sequence[bytes], media_type: str, cut: int | None) -> None:
        self.media_type = media_type
        self._pieces = pieces
        self._cut = cut
        self.aborted = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """See `Exchange.chunks`."""
        left = self._cut
        for piece in self._pieces:
            await asyncio.sleep(0)
            if left is not None and left < len(piece):
                if left:
                    yield piece[:left]
                from corral.kit.errors import UpstreamFailed

                raise UpstreamFailed("The connection was cut.")
            yield piece
            left = left - len(piece) if left is not None else None

    async def read(self, limit: int = 1 << 26) -> bytes:
        """See `Exchange.read`."""
        return b"".join([chunk async for chunk in self.chunks()])

    def abort(self) -> None:
        """See `Exchange.abort`."""
        self.aborted = True


def nothing() -> Iterator[None]:
    """No cuts."""
    yield from ()
