"""One request as inference sees it: what is asked, what comes back, and what became of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Literal

import msgspec

from corral.dialects.form import ChatRequest, Usage
from corral.kit.trace import Trace
from corral.providers.types import Operation, Prices

Outcome = Literal["running", "completed", "failed", "cancelled"]
CacheState = Literal["", "hit", "miss", "bypass", "joined", "replayed"]
"""What a cache had to do with an answer; `replayed`: an idempotency key brought an earlier one back."""

Structured = Literal["", "valid", "extracted", "repaired", "streamed"]
"""How an answer came to be in the form that was asked for: as the model wrote it, taken out of what it wrote around it, asked for again. A
`streamed` one is looked at when it is whole, so it may still end with an error."""


class Ask(msgspec.Struct):
    """A request as its client sent it. Nobody changes one.

    dialect: the name of a `Dialect`; `openai` for operations that are no chats. model: the public name, None for the default.
    body: the JSON as it came, checked by the surface to be an object of the dialect. headers: those of the client (names in lower case).
    request: for one that is made here, which `body` tells in `dialect`: it is put to each provider in the provider's own way.
    """

    operation: Operation
    dialect: str
    model: str | None
    body: bytes
    stream: bool = False
    headers: Mapping[str, str] = {}
    request_id: str = ""
    request: ChatRequest | None = None
    facts: Any = None
    """What `facts.facts_of` has read in the body."""


class Reply(msgspec.Struct):
    """A whole answer, not to be changed either, in the asker's dialect. headers: what the surface sends beside its own (X-Corral-*, RateLimit-*)."""

    body: bytes
    media_type: str = "application/json"
    headers: Mapping[str, str] = {}


class Streaming:
    """An answer as it arrives, in the asker's dialect: iterate it under `contextlib.aclosing`.

    Each piece is a whole number of events, so anything may be sent between two pieces. A failure in the middle that nobody can
    continue is told by the last piece, in the dialect's form; iterating raises only what surfaces cannot tell (cancellation).
    `pieces` must have been started (else closing it would not run its `finally`): `first` is what it has given already.
    """

    __slots__ = ("_closed", "_first", "_pieces", "headers", "media_type")

    def __init__(
        self, first: bytes, pieces: AsyncGenerator[bytes, None], media_type: str, headers: Mapping[str, str]
    ) -> None:
        self._first: bytes | None = first
        self._pieces = pieces
        self._closed: list[Callable[[], None]] = []
        self.media_type = media_type
        self.headers = headers

    def __aiter__(self) -> Streaming:
        """Itself: an answer passes once."""
        return self

    def __anext__(self) -> Awaitable[bytes]:
        """The next piece."""
        first = self._first
        if first is not None:
            self._first = None
            return _said(first)
        return self._pieces.__anext__()

    async def aclose(self) -> None:
        """Ends the work upstream. Needed also after the last piece."""
        self._first = None
        try:
            await self._pieces.aclose()
        finally:
            closed, self._closed = self._closed, []
            for tell in closed:
                tell()

    def when_closed(self, tell: Callable[[], None]) -> None:
        """Has `tell` called once, when it is closed; in the order in which they were given."""
        self._closed.append(tell)


async def _said(piece: bytes) -> bytes:
    return piece


AttemptKind = Literal["first", "retry", "failover", "continuation", "completion", "repair", "mirror"]
"""`retry`: the same candidate again. `continuation`: going on in the middle of an answer. `completion`: ended without asking
anybody, because the answer was whole but for its end. `repair`: asking again for an answer that is not in its form."""


class Attempt(msgspec.Struct):
    """One try at one candidate. Times are of `Clock.monotonic`; `key` is the label of the provider's key, never its value.

    usage: what the provider said; where it said nothing (cancelled, cut) an estimate from what was relayed, and `estimated`.
    error: the code of its failure. dialect: the one spoken with the provider. placed: when an own engine had a place for it. span: the id of
    its span, where the request is traced.
    """

    provider: str
    model: str
    kind: AttemptKind
    began: float
    dialect: str = ""
    key: str = ""
    first_content: float | None = None
    ended: float | None = None
    outcome: Outcome = "running"
    error: str = ""
    message: str = ""
    counted: tuple[Usage, int | None] | None = None
    """What `money.nanos_of` has worked out."""
    usage: Usage | None = None
    estimated: bool = False
    prices: Prices | None = None
    placed: float | None = None
    span: str = ""

    @property
    def tokens(self) -> int:
        """Read and written."""
        usage = self.usage
        return usage.prompt_tokens + usage.completion_tokens if usage is not None else 0

    @property
    def cost(self) -> float | None:
        """US dollars; None when a price that is needed is not known."""
        usage = self.usage
        if usage is None or self.prices is None:
            return None
        return self.prices.cost(
            usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.cache_write_tokens
        )


class Record(msgspec.Struct):
    """What became of a request. Filled while it runs; whole when a `Recorder` gets it.

    key_id: the API key that it came with. route: the name of the route. relayed: pieces of content that went to the client. usage: what the client was told or would have
    been, the sum of all attempts. structured: how an answer came to be in the form that was asked for.
    """

    user_id: str
    ask: Ask
    began: float
    key_id: str = ""
    route: str = ""
    attempts: list[Attempt] = []
    cache: CacheState = ""
    outcome: Outcome = "running"
    error: str = ""
    first_content: float | None = None
    ended: float | None = None
    relayed: int = 0
    trace: Trace | None = None
    structured: Structured = ""

    @property
    def usage(self) -> Usage | None:
        """The sum of what all attempts used, None when nobody knows anything."""
        attempts = self.attempts
        if len(attempts) == 1 and attempts[0].kind != "mirror":
            return attempts[0].usage
        return add([one.usage for one in attempts if one.usage is not None and one.kind != "mirror"])

    @property
    def answered_by(self) -> Attempt | None:
        """The attempt whose words came last."""
        attempts = self.attempts
        if len(attempts) == 1 and attempts[0].kind == "first":
            # Nearly always.
            return attempts[0]
        for attempt in reversed(attempts):
            if attempt.kind not in ("mirror", "completion"):
                return attempt
        return None


def add(usages: list[Usage]) -> Usage | None:
    """The sum; None for none."""
    if not usages:
        return None
    if len(usages) == 1:
        return usages[0]
    return Usage(
        sum(usage.prompt_tokens for usage in usages),
        sum(usage.completion_tokens for usage in usages),
        sum(usage.cached_tokens for usage in usages),
        sum(usage.cache_write_tokens for usage in usages),
        sum(usage.reasoning_tokens for usage in usages),
    )
