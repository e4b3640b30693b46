"""What all providers that are reached over HTTP share: one call, from its path to the first content of its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import msgspec

from corral.dialects.ports import Dialect
from corral.dialects.registry import DIALECTS
from corral.kit.clock import Clock, SystemClock
from corral.kit.errors import (
    CorralError,
    InvalidRequest,
    ModelNotFound,
    ProviderRefused,
    UpstreamFailed,
    UpstreamTimeout,
)
from corral.kit.http.outward import OutwardUrl, outward_url
from corral.providers.opening import (
    Answer,
    WholeAnswer,
    dialect_of,
    first_content,
    hidden,
    json_type,
    look_for_error,
    named,
    succeeded,
)
from corral.providers.transport import Prepared, Response, Transport, transport_for
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
    ProviderSpec,
)
from corral.version import __version__

MAX_LIST = 16 * 1024 * 1024
MAX_PAGES = 20
MAX_MODELS = 5000
MAX_NAME = 512


class RemoteProvider:
    """Base of the modules; each says its paths, its way to show a key and how it lists its models.

    Raises InvalidRequest (param `base_url`) for an address that may not be called.
    """

    kind: ClassVar[Kind]
    default_url: ClassVar[str] = ""
    endings: ClassVar[tuple[str, ...]] = ()
    """With which addresses are written too, though the paths have them."""
    spoken: ClassVar[Mapping[Operation, tuple[str, ...]]] = {}
    usual: ClassVar[Abilities] = Abilities()

    def __init__(self, spec: ProviderSpec, transport: Transport | None = None, clock: Clock | None = None) -> None:
        self._spec = spec
        self.url = self._address()
        self._transport = transport or transport_for(self.url, f"The provider {spec.name!r}", spec.connections)
        self._clock = clock or SystemClock()
        self._listed: dict[str, ProviderModel] = {}
        self._prepared: dict[str, tuple[ProviderKey | None, Prepared]] = {}
        """By the label of a key, which is hashed already: the key and its headers."""
        self._headers = {
            "user-agent": f"corral/{__version__}",
            "accept-encoding": "identity",
            "content-type": "application/json",
            **{name.lower(): value for name, value in spec.headers.items()},
        }

    # what differs between providers

    @property
    def default_address(self) -> str:
        """Where it is, when nobody says."""
        return self.default_url

    def _path(self, call: Call) -> str:
        """Where a call goes, behind the prefix of the address."""
        raise NotImplementedError

    def _auth(self, key: ProviderKey) -> Mapping[str, str]:
        return {"authorization": f"Bearer {key.value}"}

    def _body(self, call: Call) -> bytes:
        """The body as this provider wants it: as it is, where nothing differs."""
        return call.body

    def _passed(self, call: Call) -> Mapping[str, str]:
        """Headers of this call alone."""
        return {}

    def _counted(self, body: bytes) -> bytes:
        """The answer to a count of tokens, as `{"input_tokens": N}`."""
        return body

    def _first_page(self) -> str:
        raise NotImplementedError

    def _page(self, told: Any) -> tuple[list[ProviderModel], str | None]:
        """See `page`; may raise what reading something of another form raises."""
        raise NotImplementedError

    # the port

    @property
    def name(self) -> str:
        """See `Provider.name`."""
        return self._spec.name

    @property
    def dialects(self) -> Mapping[Operation, tuple[str, ...]]:
        """See `Provider.dialects`."""
        return self.spoken

    @property
    def keys(self) -> tuple[ProviderKey, ...]:
        """See `Provider.keys`."""
        return self._spec.keys

    def dialect(self, name: str) -> Dialect:
        """See `Provider.dialect`."""
        return DIALECTS[name]

    def abilities(self, model: str) -> Abilities:
        """See `Provider.abilities`: what was written down, then what the provider told, then what is usual."""
        found = self._spec.abilities
        listed = self._listed.get(model)
        if listed is not None:
            found = found.over(listed.abilities)
        known = self._spec.models.get(model)
        if known is not None:
            found = known.abilities.over(found)
        return found.over(self.usual)

    def prices(self, model: str) -> Prices | None:
        """See `Provider.prices`."""
        known = self._spec.models.get(model)
        if known is not None and known.prices is not None:
            return known.prices
        listed = self._listed.get(model)
        if listed is not None and listed.prices is not None:
            return listed.prices
        return self._spec.prices

    def open(self, call: Call) -> Awaitable[Exchange]:
        """See `Provider.open`."""
        if call.dialect not in self.dialects.get(call.operation, ()):
            raise InvalidRequest(
                f"The provider {self.name!r} does not do {call.operation} in {call.dialect}.",
                details={"provider": self.name},
                param="model",
            )
        total = self._spec.total_timeout
        return self._open(call, None) if total is None else self._in_time(call, total)

    async def models(self) -> list[ProviderModel]:
        """See `Provider.models`."""
        listed = await self._list(self._key(None)) if self._spec.discover else []
        self._listed = {model.name: model for model in listed}
        names = dict.fromkeys((*self._listed, *self._spec.models))
        return [self._described(name) for name in names]

    async def check(self, key: ProviderKey | None = None) -> Health:
        """See `Provider.check`."""
        used = self._key(key)
        began = self._clock.monotonic()
        count: int | None = None
        code = message = ""
        try:
            count = len(await self._list(used))
        except ModelNotFound:
            # Answered, and has no list.
            pass
        except CorralError as error:
            code, message = error.code, error.message
        spent = (self._clock.monotonic() - began) * 1000
        label = used.label if used is not None else ""
        return Health(not code, self._clock.now(), spent, count, code, message, label)

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._transport.close()

    # within

    async def _in_time(self, call: Call, total: float) -> Exchange:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + total
        try:
            async with asyncio.timeout_at(deadline):
                return await self._open(call, deadline)
        except TimeoutError:
            late = UpstreamTimeout(f"The answer took longer than {total:.0f} s.")
            raise named(late, self.name, None) from None

    def _address(self) -> OutwardUrl:
        try:
            url = outward_url(self._spec.base_url or self.default_address)
        except ValueError as error:
            raise InvalidRequest(
                f"The address of the provider {self._spec.name!r} {error}.", param="base_url"
            ) from None
        ending = next((one for one in self.endings if url.prefix.endswith(one)), "")
        return replace(url, prefix=url.prefix.removesuffix(ending))

    def _key(self, key: ProviderKey | None) -> ProviderKey | None:
        if key is not None:
            return key
        return self._spec.keys[0] if self._spec.keys else None

    def _sent(self, call: Call) -> Mapping[str, str]:
        """The headers of a call."""
        key = call.key if call.key is not None else self._key(None)
        label = key.label if key is not None else ""
        known = self._prepared.get(label)
        if known is not None and known[0] is key:
            found = known[1]
        else:
            found = Prepared(self._lines(key))
            if key is None or key in self._spec.keys:
                self._prepared[label] = key, found
        passed = self._passed(call)
        if call.trace is not None:
            passed = {**passed, **call.trace.headers}
        return {**found, **passed} if passed else found

    def _lines(self, key: ProviderKey | None) -> dict[str, str]:
        if key is None:
            return self._headers
        if not key.value.isascii() or not key.value.isprintable():
            raise ProviderRefused(f"The key {key.label!r} holds what no key can. Enter it again.")
        return {**self._headers, **self._auth(key)}

    async def _open(self, call: Call, deadline: float | None) -> Exchange:
        status: int | None = None
        response: Response | None = None
        begun, chat = False, call.operation == "chat"
        try:
            response = await self._transport.request(
                "POST", self._path(call), self._sent(call), self._body(call), call.timeouts or self._spec.timeouts
            )
            status = response.status
            if status != 200:
                await succeeded(response, dialect_of(call.dialect), call.model)
            if call.stream and (chat or call.operation == "completions"):
                answer = await self._stream(call, response, deadline)
                begun = True
                return answer
            kind, body = json_type(response), response.whole(MAX_ANSWER)
            if body is None:
                body = await response.read(MAX_ANSWER)
            begun = True
            look_for_error(body, call.dialect, chat=chat)
            return WholeAnswer(self._counted(body) if call.operation == "count_tokens" else body, status, kind)
        except CorralError as error:
            named(hidden(error, self._spec.keys), self.name, status)
            raise
        finally:
            if response is not None and not begun:
                response.abort()

    async def _stream(self, call: Call, response: Response, deadline: float | None) -> Answer:
        chunks, dialect = response.chunks(), dialect_of(call.dialect)
        said = await first_content(response, chunks, dialect, call.operation == "chat")
        seconds = deadline - asyncio.get_running_loop().time() if deadline is not None else None
        return Answer(
            said,
            status=response.status,
            media_type=response.media_type,
            chunks=chunks,
            abort=response.abort,
            seconds=seconds,
        )

    async def _list(self, key: ProviderKey | None) -> list[ProviderModel]:
        """The provider's own list, all pages of it, as far as it is not endless."""
        found: list[ProviderModel] = []
        path: str | None = self._first_page()
        for _ in range(MAX_PAGES):
            if path is None or len(found) >= MAX_MODELS:
                break
            more, path = await self._listed_page(path, key)
            found += more
        return found[:MAX_MODELS]

    async def _listed_page(self, path: str, key: ProviderKey | None) -> tuple[list[ProviderModel], str | None]:
        status: int | None = None
        try:
            response = await self._transport.request("GET", path, self._lines(key), b"", self._spec.timeouts)
            status = response.status
            try:
                await succeeded(response, self._errors(), "")
                if status != 200:
                    raise UpstreamFailed(f"The provider answered its list of models with status {status}.")
                body = await response.read(MAX_LIST)
            finally:
                response.abort()
            return self.page(body)
        except CorralError as error:
            named(hidden(error, self._spec.keys), self.name, status)
            raise

    def page(self, body: bytes) -> tuple[list[ProviderModel], str | None]:
        """The models of one page of the list, and the path of the next one. Raises UpstreamFailed for what is not in its form."""
        try:
            models, following = self._page(msgspec.json.decode(body))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise UpstreamFailed("The provider's list of models is not in its form.") from None
        return [model for model in models if 0 < len(model.name) <= MAX_NAME], following

    def _errors(self) -> Dialect:
        return dialect_of(self.spoken["chat"][0])

    def _described(self, name: str) -> ProviderModel:
        listed, known = self._listed.get(name), self._spec.models.get(name)
        base = listed or ProviderModel(name)
        over = known or ProviderModel(name)
        return ProviderModel(
            name,
            over.title or base.title,
            over.context_length if over.context_length is not None else base.context_length,
            over.max_output if over.max_output is not None else base.max_output,
            self.abilities(name),
            self.prices(name),
            base.created,
        )


def count_of(told: object) -> int | None:
    """A number of tokens, or seconds since 1970, that a list tells; None for what is none."""
    return told if isinstance(told, int) and not isinstance(told, bool) and 0 <= told < 2**53 else None


def text_of(told: object) -> str | None:
    """A title that a list tells."""
    return told[:MAX_NAME] if isinstance(told, str) and told else None


def known(told: object) -> bool | None:
    """An ability that a list tells."""
    return told if isinstance(told, bool) else None
