"""Ollama's calls that make a model work. Embeddings are asked for in OpenAI's form, of which theirs says the same."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from corral.inference.types import Ask
from corral.kit.clock import iso
from corral.kit.context import request_id
from corral.kit.errors import InvalidRequest, UpstreamFailed
from corral.surfaces.asgi import ClientGone, Headers, Receive, Scope, Send, read_body, respond
from corral.surfaces.bodies import read, require_json
from corral.surfaces.calls import OPENAI, Answers, Calls, Manner, as_bytes
from corral.surfaces.door import Pace, Watched
from corral.surfaces.listing import Models
from corral.surfaces.ollama import request
from corral.surfaces.ollama.listing import known_name
from corral.surfaces.table import Visitor, send_json


class _Vector(msgspec.Struct):
    embedding: list[float]
    index: int = 0


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0


class _Vectors(msgspec.Struct):
    data: list[_Vector]
    usage: _Usage = msgspec.field(default_factory=_Usage)


_vectors = msgspec.json.Decoder(_Vectors)


class Talk:
    """`/api/chat` and `/api/generate`."""

    def __init__(self, kind: str, answers: Answers, models: Models, pace: Pace) -> None:
        self._chat = kind == "chat"
        self._models = models
        self._decoder = request.chat if self._chat else request.generate
        reader = request.Reader(self._decoder, lambda visitor, name: known_name(models, visitor, name))
        self._calls = Calls(answers, Manner("chat", f"ollama_{kind}", reader), pace)

    async def __call__(self, scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
        """See `table.Endpoint`. Raises CorralError before the answer has begun."""
        require_json(visitor.headers.get("content-type"), form=request.by_hand(scope))
        try:
            body = await read_body(receive)
        except ClientGone:
            return
        wanted = request.only_loads(body, self._decoder) if len(body) < _SHORT else None
        if wanted is None:
            await self._calls.answer(receive, send, visitor, body)
            return
        name = known_name(self._models, visitor, wanted)
        leaves = msgspec.json.decode(body).get("keep_alive") in (0, "0", "0s")
        if not leaves:
            with Watched(receive, visitor.peer):
                await self._models.load(visitor.principal, name)
        said: dict[str, Any] = {"message": {"role": "assistant", "content": ""}} if self._chat else {"response": ""}
        reason = "unload" if leaves else "load"
        told = {"model": wanted, "created_at": iso(datetime.now(UTC)), **said, "done": True, "done_reason": reason}
        await send_json(send, told)


_SHORT = 64 * 1024
"""A longer body has something to answer."""


class Embeds:
    """`/api/embed`, and `/api/embeddings` in the older form."""

    def __init__(self, answers: Answers, models: Models, *, old: bool) -> None:
        self._answers = answers
        self._models = models
        self._old = old

    async def __call__(self, scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
        """See `table.Endpoint`. Raises CorralError."""
        began = time.monotonic_ns()
        try:
            model, asked = await self._read(scope, receive)
        except ClientGone:
            return
        name = known_name(self._models, visitor, model)
        body = msgspec.json.encode({"model": name, **asked})
        ask = Ask("embeddings", OPENAI, name, body, headers=visitor.headers, request_id=request_id.get())
        with Watched(receive, visitor.peer):
            reply = await self._answers.whole(visitor.principal, ask)
            try:
                found = _vectors.decode(reply.body)
            except msgspec.DecodeError:
                raise UpstreamFailed("The model answered with something else than vectors.") from None
            vectors = [one.embedding for one in sorted(found.data, key=lambda one: one.index)]
            if self._old:
                told: dict[str, Any] = {"embedding": vectors[0] if vectors else []}
            else:
                told = {
                    "model": model,
                    "embeddings": vectors,
                    "total_duration": time.monotonic_ns() - began,
                    "load_duration": 0,
                    "prompt_eval_count": found.usage.prompt_tokens,
                }
            headers: Headers = [(b"content-type", b"application/json"), *as_bytes(reply.headers)]
            await respond(send, 200, headers, msgspec.json.encode(told))

    async def _read(self, scope: Scope, receive: Receive) -> tuple[str, dict[str, Any]]:
        """The model, and what is asked of it in OpenAI's form."""
        if self._old:
            old, _ = await read(scope, receive, request.embedding, form=request.by_hand(scope))
            return old.model, {"input": old.prompt}
        new, _ = await read(scope, receive, request.embed, form=request.by_hand(scope))
        asked: dict[str, Any] = {"input": new.input}
        if new.dimensions is not None:
            asked["dimensions"] = new.dimensions
        return new.model, asked


async def refuse(scope: Scope, receive: Receive, send: Send, visitor: Visitor) -> None:
    """Raises InvalidRequest: models come and go by Corral's own means."""
    raise InvalidRequest(
        "Corral gets and removes models on its page /models, by `corral pull` and by POST /api/downloads."
    )
