"""What can be asked of a provider, and the forms it is described in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from corral.dialects.ports import Dialect
from corral.kit.http import Timeouts
from corral.kit.trace import Trace

Kind = Literal["openai", "compatible", "anthropic", "gemini", "ollama", "local"]
KINDS: tuple[Kind, ...] = ("openai", "compatible", "anthropic", "gemini", "ollama", "local")

Operation = Literal["chat", "completions", "embeddings", "rerank", "count_tokens"]
"""`chat` is one operation in all chat dialects, so `/v1/responses` is chat in `openai_responses`. The dialect of completions,
embeddings and rerank is `openai`. count_tokens takes a chat request in the dialect that the provider names for it and is
always answered with `{"input_tokens": N}`."""

TIMEOUTS = Timeouts(connect=10.0, head=600.0, idle=300.0)

CONNECTIONS = 256
"""Requests to one provider under way at once, where nothing else is said."""
MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of a whole answer, at most."""


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """A credential. `label` is shown and logged, `value` never is."""

    label: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model can do; None is not known.

    prefill: goes on with a last assistant message, answering only what is new. json_schema: keeps to a schema by itself.
    """

    prefill: bool | None = None
    tools: bool | None = None
    images: bool | None = None
    audio: bool | None = None
    files: bool | None = None
    json_schema: bool | None = None
    reasoning: bool | None = None

    def over(self, other: Abilities) -> Abilities:
        """What is known here, and where nothing is, what `other` knows."""
        return Abilities(*(mine if mine is not None else theirs for mine, theirs in zip(self, other, strict=True)))

    def __iter__(self) -> Iterator[bool | None]:
        """The values in their order."""
        return (getattr(self, one.name) for one in fields(self))


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per million tokens; None is not known. Without prices of their own, tokens of the cache cost as `input`."""

    input: float | None = None
    output: float | None = None
    cached_input: float | None = None
    cache_write: float | None = None

    def cost(self, prompt: int, completion: int, cached: int = 0, written: int = 0) -> float | None:
        """US dollars of one request; `prompt` includes `cached` and `written`. None when a price that is needed is not known."""
        if self.input is not None and self.output is not None and not cached and not written:
            return (prompt * self.input + completion * self.output) / 1e6
        if (self.input is None and prompt) or (self.output is None and completion):
            return None
        read = self.input or 0.0
        cached_price = self.cached_input if self.cached_input is not None else read
        write_price = self.cache_write if self.cache_write is not None else read
        plain = max(0, prompt - cached - written)
        total = plain * read + cached * cached_price + written * write_price + completion * (self.output or 0.0)
        return total / 1e6


@dataclass(frozen=True, slots=True)
class ProviderModel:
    """A model as its provider lists it, or as somebody wrote it down. Sizes in tokens."""

    name: str
    title: str | None = None
    context_length: int | None = None
    max_output: int | None = None
    abilities: Abilities = Abilities()
    prices: Prices | None = None
    created: int | None = None


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """All that is needed to call a provider.

    base_url: without a slash at its end; empty is the kind's own. vendor: which service of the kind `compatible` it is
    (see `vendors.VENDORS`). headers: sent with every call. total_timeout: seconds for a whole answer. models: what is known of its models, by name. abilities and
    prices: of models of which nothing is said. connections: open at once, at most.
    """

    name: str
    kind: Kind
    base_url: str = ""
    keys: tuple[ProviderKey, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, ProviderModel] = field(default_factory=dict)
    timeouts: Timeouts = TIMEOUTS
    total_timeout: float | None = None
    abilities: Abilities = Abilities()
    prices: Prices | None = None
    vendor: str | None = None
    discover: bool = True
    connections: int = CONNECTIONS


class Call(msgspec.Struct):
    """One call of a provider. Nobody changes one.

    dialect: one that the provider speaks for the operation. model: as the provider knows it. body: in that dialect, with the
    model in it already (an own engine alone puts its name there itself). stream: whether `body` asks for a stream. key: None
    is the first of the provider's. headers: names in lower case, from the client; a provider passes on only what it has a use
    for (Anthropic: `anthropic-beta`). timeouts: in place of the provider's. trace: the span of the call, which the provider is told of.
    placed: told by an own engine when there is a place for the request. patience: seconds that it may wait for one, loading included; None is
    as long as the engines' queue allows.
    """

    operation: Operation
    dialect: str
    model: str
    body: bytes
    stream: bool = False
    key: ProviderKey | None = None
    headers: Mapping[str, str] = {}
    timeouts: Timeouts | None = None
    request_id: str = ""
    trace: Trace | None = None
    placed: Callable[[], None] | None = None
    patience: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """What a test of a provider found. `key` is the label of the one that was tried; `milliseconds` the time it took."""

    ok: bool
    checked_at: datetime
    milliseconds: float
    models: int | None = None
    code: str = ""
    message: str = ""
    key: str = ""


class Exchange(Protocol):
    """An answer that has begun, of which nobody has seen anything yet. Read it to its end, or abort it; leaving its chunks before
    their end gives it up too."""

    @property
    def status(self) -> int:
        """Always 2xx."""
        ...

    @property
    def media_type(self) -> str:
        """Its content type, without parameters."""
        ...

    @property
    def whole(self) -> bytes | None:
        """All of it, where it has come whole; else it has to be read."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, from its first byte. Raises UpstreamFailed when it is cut, UpstreamTimeout on silence. That it
        ends says nothing: whether the answer is whole is for the dialect's reader to say."""
        ...

    async def read(self, limit: int = MAX_ANSWER) -> bytes:
        """The whole body. Raises UpstreamFailed also for one of over `limit` bytes."""
        ...

    def abort(self) -> None:
        """Gives it up: the connection is closed at once when the answer is not whole. Does nothing a second time or at the end."""
        ...


class Provider(Protocol):
    """A service that answers. Its methods may be called at the same time; cancelling one closes its connection."""

    @property
    def name(self) -> str:
        """As routes call it."""
        ...

    @property
    def kind(self) -> Kind:
        """Which module it is."""
        ...

    @property
    def dialects(self) -> Mapping[Operation, tuple[str, ...]]:
        """What it speaks by itself, by operation, the best first. What is missing it cannot do."""
        ...

    @property
    def keys(self) -> tuple[ProviderKey, ...]:
        """Its keys, in order; empty when it needs none."""
        ...

    def dialect(self, name: str) -> Dialect:
        """A chat dialect with this provider's own ways, for writing requests to it. Any of `DIALECTS` reads what it answers."""
        ...

    def abilities(self, model: str) -> Abilities:
        """What a model can do, as far as is known."""
        ...

    def prices(self, model: str) -> Prices | None:
        """What a model costs; None is not known."""
        ...

    def open(self, call: Call) -> Awaitable[Exchange]:
        """Makes the call and waits for the first content of a stream, or the head of a whole answer.

        So everything that goes wrong before content is raised here, an error inside a 200 too: ContextExceeded,
        ContentFiltered, InvalidRequest, ModelNotFound, ProviderRefused (the key), QuotaExhausted, RateLimited and
        UpstreamOverloaded (both with `retry_after` where the provider told), UpstreamTimeout, UpstreamFailed. `details` has
        `provider` and, where there was an answer, its `provider_status`. A deadline for the first content is the caller's:
        `asyncio.timeout` around this.
        """
        ...

    async def models(self) -> list[ProviderModel]:
        """The models it has, with what was written down about them. Raises as `open`."""
        ...

    async def check(self, key: ProviderKey | None = None) -> Health:
        """Tries a key (the first without one). Never raises CorralError."""
        ...

    async def close(self) -> None:
        """Closes its connections, also those in use."""
        ...
