"""This machine's engines as a provider: a slot and a lease for each call, then llama.cpp's form of OpenAI's dialect.

A whole chat is asked for as a stream and put together here: llama.cpp would not notice the end of its client otherwise
(see `assembly`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from corral.dialects.ports import Dialect
from corral.dialects.registry import DIALECTS
from corral.engines import Lease
from corral.kit.clock import Clock, SystemClock
from corral.kit.errors import CorralError, InvalidRequest, UpstreamFailed
from corral.kit.faultpoints import reach
from corral.kit.http import Response
from corral.providers.assembly import as_stream, assemble
from corral.providers.bodies import body_of, fields_of, raw, with_fields
from corral.providers.local import engine_error
from corral.providers.opening import MAX_ERROR, Answer, WholeAnswer, dialect_of, first_content, named
from corral.providers.types import (
    MAX_ANSWER,
    Abilities,
    Call,
    Exchange,
    Health,
    Kind,
    Operation,
    Prices,
    ProviderKey,
    ProviderModel,
)

NAME = "local"
_JSON = b"content-type: application/json\r\n"
_PATHS: Mapping[Operation, bytes] = {
    "chat": b"/v1/chat/completions",
    "completions": b"/v1/completions",
    "embeddings": b"/v1/embeddings",
    "rerank": b"/v1/rerank",
}
_GENERATES = frozenset({"chat", "completions"})
_USUAL = Abilities(prefill=True, tools=True, json_schema=True)
_FREE = Prices(0.0, 0.0, 0.0, 0.0)


class Place(Protocol):
    """A slot of a model and a lease of its engine."""

    @property
    def lease(self) -> Lease:
        """The right to ask."""
        ...

    def close(self) -> None:
        """Gives both back; a second time does nothing."""
        ...


class Places(Protocol):
    """Who hands out places (a port that inference fills)."""

    async def place(self, model: str, body: bytes, patience: float | None = None) -> Place:
        """Waits for a slot and a ready engine, at most `patience` seconds; `body` leads to the engine that has read its beginning.
        Raises ModelNotFound, TooManyRequests, EngineFailed, ShuttingDown."""
        ...


class OwnEngines:
    """The provider `local`. `listing` tells its models, with what is known of them."""

    name = NAME
    kind: Kind = "local"
    keys: tuple[ProviderKey, ...] = ()
    dialects: Mapping[Operation, tuple[str, ...]] = {
        "chat": ("openai_chat",),
        "completions": ("openai",),
        "embeddings": ("openai",),
        "rerank": ("openai",),
        "count_tokens": ("openai_chat",),
    }

    def __init__(
        self, places: Places, listing: Callable[[], Sequence[ProviderModel]], clock: Clock | None = None
    ) -> None:
        self._places = places
        self._listing = listing
        self._clock = clock or SystemClock()

    def dialect(self, name: str) -> Dialect:
        """See `Provider.dialect`."""
        return DIALECTS[name]

    def abilities(self, model: str) -> Abilities:
        """See `Provider.abilities`."""
        found = next((one.abilities for one in self._listing() if one.name == model), Abilities())
        return found.over(_USUAL)

    def prices(self, model: str) -> Prices | None:
        """See `Provider.prices`: nobody sends a bill."""
        return next((one.prices for one in self._listing() if one.name == model and one.prices is not None), _FREE)

    async def models(self) -> list[ProviderModel]:
        """See `Provider.models`."""
        return list(self._listing())

    async def check(self, key: ProviderKey | None = None) -> Health:
        """See `Provider.check`: engines start when they are wanted, so there is nothing to try."""
        return Health(ok=True, checked_at=self._clock.now(), milliseconds=0.0, models=len(self._listing()))

    async def close(self) -> None:
        """See `Provider.close`: engines are ended by their own room."""

    async def open(self, call: Call) -> Exchange:
        """See `Provider.open`; also raises as `Places.place`."""
        if call.dialect not in self.dialects.get(call.operation, ()):
            raise InvalidRequest(f"An own engine does not do {call.operation} in {call.dialect}.", param="model")
        place = await self._places.place(call.model, call.body, call.patience)
        if call.placed is not None:
            call.placed()
        asking = _Asking(call, place)
        try:
            return await asking.open()
        except CorralError as error:
            place.close()
            named(error, NAME, asking.status)
            raise
        except BaseException:
            place.close()
            raise


class _Asking:
    """One call of an engine."""

    def __init__(self, call: Call, place: Place) -> None:
        self._call = call
        self._place = place
        self._lease = place.lease
        self.status: int | None = None

    async def open(self) -> Exchange:
        call, lease = self._call, self._lease
        if call.operation == "count_tokens":
            return self._whole(await self._count())
        path = _PATHS[call.operation]
        body = call.body
        if lease.upstream_model is not None:
            body = with_fields(body, model=lease.upstream_model)
        if call.stream and call.operation in _GENERATES:
            return await self._stream(path, body)
        if lease.native and call.operation in _GENERATES:
            response = await self._ask(path, as_stream(body), b"text/event-stream")
            try:
                return self._whole(await assemble(response.chunks()))
            finally:
                response.abort()
        response = await self._ask(path, body, b"application/json")
        return self._whole(await response.read(MAX_ANSWER))

    def _whole(self, body: bytes) -> WholeAnswer:
        self._place.close()
        return WholeAnswer(body, 200, "application/json")

    async def _stream(self, path: bytes, body: bytes) -> Answer:
        response = await self._ask(path, body, b"text/event-stream")
        chunks: AsyncIterator[bytes] = response.chunks()
        try:
            said = await first_content(response, chunks, dialect_of(self._call.dialect), self._call.operation == "chat")
        except BaseException:
            response.abort()
            raise
        # The place is free when the engine has said all, whoever has read it by then.
        response.when_over(self._place.close)
        return Answer(said, status=200, media_type=response.media_type, chunks=chunks, abort=response.abort)

    async def _ask(self, path: bytes, body: bytes, kind: bytes) -> Response:
        """The engine's answer, of which the head is there. Raises for one that is an error or of another `kind`."""
        lease = self._lease
        headers, trace = lease.headers + _JSON, self._call.trace
        if trace is not None:
            headers += "".join([f"{name}: {value}\r\n" for name, value in trace.headers.items()]).encode()
        response = await lease.pool.request(b"POST", path, headers=headers, body=body, timeouts=self._call.timeouts)
        self.status = response.status
        try:
            if response.status != 200:
                raise engine_error(response.status, await response.read(MAX_ERROR), response.header(b"retry-after"))
            told = response.media_type
            if told and told != kind.decode():
                raise UpstreamFailed(f"The engine answered with {told[:100]} where {kind.decode()} was expected.")
            reach("providers.connected")
        except BaseException:
            response.abort()
            raise
        return response

    async def _count(self) -> bytes:
        """Tokens of the prompt that the model's template makes of a chat."""
        if not self._lease.native:
            raise InvalidRequest("The server behind this model cannot count tokens.", param="model")
        fields = fields_of(self._call.body)
        asked = body_of({name: value for name, value in fields.items() if name not in ("stream", "stream_options")})
        prompt = await self._told(b"/apply-template", asked, "prompt")
        again = {"content": raw(prompt), "add_special": raw(True), "parse_special": raw(True)}
        tokens = await self._told(b"/tokenize", body_of(again), "tokens")
        return msgspec.json.encode({"input_tokens": len(tokens) if isinstance(tokens, list) else 0})

    async def _told(self, path: bytes, body: bytes, field: str) -> object:
        response = await self._ask(path, body, b"application/json")
        try:
            return msgspec.json.decode(await response.read(MAX_ANSWER))[field]
        except (msgspec.DecodeError, KeyError, TypeError):
            raise UpstreamFailed("The engine's count of tokens is not in its form.") from None
