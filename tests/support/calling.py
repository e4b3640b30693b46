"""Calls of a provider as a test wants them: a request in Corral's form, the answer back in it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from corral.dialects.form import Answer, ChatRequest, Tool, text_message
from corral.dialects.gathering import Gathering
from corral.dialects.registry import DIALECTS
from corral.kit.http import Timeouts
from corral.kit.http.outward import outward_url
from corral.providers.building import build_provider
from corral.providers.secure import SecureTransport
from corral.providers.types import Call, Exchange, Provider, ProviderKey, ProviderSpec
from tests.support.providers import FakeProvider

KEY = ProviderKey("first", "sk-secret-0123456789")
OTHER_KEY = ProviderKey("second", "sk-another-9876543210")
SHORT = Timeouts(connect=20.0, head=0.7, idle=0.7)
PATIENT = Timeouts(connect=30.0, head=60.0, idle=60.0)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
}
TOOL = Tool("weather", "Tells the weather.", SCHEMA)


def question(text: str = "Say something.", model: str = "m-1", **fields: Any) -> ChatRequest:
    """A request for a chat."""
    messages = fields.pop("messages", (text_message("user", text),))
    return ChatRequest(model, messages, max_tokens=fields.pop("max_tokens", 500), **fields)


@dataclass
class Caller:
    """A provider, and the scripted service behind it."""

    fake: FakeProvider
    provider: Provider
    dialect: str

    def call(self, request: ChatRequest, **more: Any) -> Call:
        """The call that asks `request`."""
        if request.stream:
            import msgspec

            request = msgspec.structs.replace(request, include_usage=True)
        written = self.provider.dialect(self.dialect).write_request(request, request.model)
        return Call("chat", self.dialect, request.model, written.body, request.stream, **more)

    async def open(self, request: ChatRequest, **more: Any) -> Exchange:
        """The answer, begun."""
        return await self.provider.open(self.call(request, **more))

    async def ask(self, request: ChatRequest, **more: Any) -> Answer:
        """The whole answer, read by the dialect. Raises CorralError."""
        exchange = await self.open(request, **more)
        if not request.stream:
            return DIALECTS[self.dialect].read_answer(await exchange.read())
        return await gathered(exchange, self.dialect)


async def gathered(exchange: Exchange, dialect: str) -> Answer:
    """The answer that a stream tells. Raises CorralError when it is not whole."""
    reader, gathering = DIALECTS[dialect].reader(), Gathering()
    async for chunk in exchange.chunks():
        for event in reader.feed(chunk):
            gathering.add(event)
    for event in reader.end():
        gathering.add(event)
    return gathering.answer()


@asynccontextmanager
async def caller(
    fake: FakeProvider, dialect: str, context: ssl.SSLContext | None = None, **spec: Any
) -> AsyncIterator[Caller]:
    """A provider in front of `fake`; `context` is what it trusts, when that is not what the fake shows."""
    fields = {"name": "up", "base_url": fake.base_url, "keys": (KEY, OTHER_KEY), "timeouts": PATIENT, **spec}
    made = ProviderSpec(kind=fake.kind, **fields)  # type: ignore[arg-type]
    transport = None
    if fake.context is not None:
        transport = SecureTransport(
            outward_url(made.base_url), "The provider 'up'", made.connections, context or fake.context
        )
    provider = build_provider(made, transport=transport)
    try:
        yield Caller(fake, provider, dialect)
    finally:
        await provider.close()
