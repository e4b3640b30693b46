"""`POST /api/v1/generate`: one prompt, one answer, by the same way as every other surface's.

A request becomes one of our own form, told in OpenAI's dialect, so that limits, kept answers, idempotency keys, routes and JSON of a schema
are what they are elsewhere. Of the answer only the form is changed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import msgspec
from starlette.responses import Response

from corral.accounts.types import Principal
from corral.dialects.form import (
    Answer,
    ChatRequest,
    Format,
    Message,
    Reasoning,
    ReasoningDelta,
    Refusal,
    RefusalDelta,
    Text,
    TextDelta,
    text_message,
)
from corral.dialects.form import Usage as Used
from corral.dialects.gathering import Gathering
from corral.dialects.openai_chat import DIALECT
from corral.dialects.ports import EventReader
from corral.inference.types import Ask
from corral.kit.context import request_id
from corral.kit.errors import CorralError, FieldsInvalid, UpstreamFailed, by_code
from corral.kit.json_schema import fault
from corral.surfaces.asgi import EventStream, Peer, Receive, Scope, Send, peer_of, respond
from corral.surfaces.calls import Answers, as_bytes, stream_headers
from corral.surfaces.door import Pace, Watched
from corral.surfaces.v1.envelope import failed, ok
from corral.surfaces.v1.types import GenerateBody

_ERROR = b'data: {"error":'
_REASONS = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "refusal": "refusal",
    "tool_calls": "tool_calls",
}


def ask_of(body: GenerateBody, headers: Mapping[str, str]) -> Ask:
    """The request as inference takes it. Raises FieldsInvalid for a schema that is not understood."""
    if body.json_schema is not None:
        _check(body.json_schema)
    messages: list[Message] = [text_message("user", body.prompt)]
    if body.system is not None:
        messages.insert(0, text_message("system", body.system))
    request = ChatRequest(
        model=body.model or "",
        messages=tuple(messages),
        stream=body.stream,
        include_usage=body.stream,
        format=Format("schema", "answer", body.json_schema, True) if body.json_schema is not None else None,
        max_tokens=body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        min_p=body.min_p,
        seed=body.seed,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        repeat_penalty=body.repeat_penalty,
        stop=tuple(body.stop or ()),
    )
    told = DIALECT.write_request(request, request.model).body
    return Ask("chat", DIALECT.name, body.model, told, body.stream, headers, request_id.get(), request)


def _check(schema: Mapping[str, Any]) -> None:
    found = fault(schema)
    if found is None:
        return
    field = ("schema" + found.path)[:200]
    fields = [{"field": field, "message": found.reason}]
    raise FieldsInvalid(f"{field}: {found.reason}", param=field, details={"fields": fields})


class Generation(Response):
    """Answers a request, whole or as it is written. The work ends when the client leaves."""

    def __init__(self, answers: Answers, principal: Principal, body: GenerateBody, ask: Ask, pace: Pace) -> None:
        super().__init__()
        self._answers = answers
        self._principal = principal
        self._structured = body.json_schema is not None
        self._ask = ask
        self._pace = pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See starlette. Raises CorralError before the answer has begun."""
        with Watched(receive, peer_of(scope)):
            if self._ask.stream:
                await self._stream(send, peer_of(scope))
            else:
                await self._whole(send)

    async def _whole(self, send: Send) -> None:
        reply = await self._answers.whole(self._principal, self._ask)
        data = self._told(DIALECT.read_answer(reply.body), reply.headers)
        headers = [(b"content-type", b"application/json"), *as_bytes(reply.headers)]
        await respond(send, 200, headers, msgspec.json.encode(ok(data, self._ask.request_id)))

    async def _stream(self, send: Send, peer: Peer | None) -> None:
        stream = EventStream(
            send,
            stream_headers("text/event-stream"),
            keep_alive=self._pace.keep_alive,
            stall=self._pace.stall,
            peer=peer,
        )
        telling = Telling(DIALECT.reader())
        last = b""
        try:
            async with aclosing(await self._answers.stream(self._principal, self._ask)) as answer:
                await stream.begin(as_bytes(answer.headers))
                async for piece in answer:
                    told = telling.feed(piece)
                    if told and not stream.push(told):
                        await stream.send(told)
                data = self._told(telling.end(), answer.headers)
            last = event("complete", ok(data, self._ask.request_id))
        except CorralError as error:
            if not stream.begun:
                raise
            last = event("error", failed(error, self._ask.request_id))
        finally:
            stream.stop()
        await stream.end(last)

    def _told(self, answer: Answer, headers: Mapping[str, str]) -> dict[str, Any]:
        """The data of a whole answer. Raises UpstreamFailed for one that has no choice."""
        if not answer.choices:
            raise UpstreamFailed("The provider's answer has no choices.")
        choice = answer.choices[0]
        text = "".join(part.text for part in choice.parts if isinstance(part, Text | Refusal))
        thought = "".join(part.text for part in choice.parts if isinstance(part, Reasoning))
        return {
            "id": answer.id,
            "model": headers.get("X-Corral-Model") or answer.model or None,
            "provider": headers.get("X-Corral-Provider"),
            "text": text,
            "json": _parsed(text) if self._structured else None,
            "reasoning": thought or None,
            "finishReason": _REASONS.get(choice.reason, "other"),
            "usage": _usage(answer.usage),
            "attempts": int(headers.get("X-Corral-Attempts", "0")),
            "cache": headers.get("X-Corral-Cache"),
        }


class Telling:
    """A stream of OpenAI's dialect, told in events of this surface, and the whole of it at its end."""

    def __init__(self, reader: EventReader) -> None:
        self._reader = reader
        self._gathering = Gathering()
        self._error: CorralError | None = None

    def feed(self, piece: bytes) -> bytes:
        """What is told of `piece`: whole events, or nothing. Raises the error that the stream tells."""
        if _ERROR in piece:
            self._error = _error_in(piece)
        try:
            events = self._reader.feed(piece)
        except CorralError as error:
            raise self._error or error from None
        told = []
        for one in events:
            self._gathering.add(one)
            if isinstance(one, TextDelta | RefusalDelta) and one.text:
                told.append(event("token", {"text": one.text}))
            elif isinstance(one, ReasoningDelta) and one.text:
                told.append(event("reasoning", {"text": one.text}))
        return b"".join(told)

    def end(self) -> Answer:
        """The whole answer. Raises CorralError unless the stream has said that it is whole."""
        try:
            for one in self._reader.end():
                self._gathering.add(one)
        except CorralError as error:
            raise self._error or error from None
        return self._gathering.answer()


def event(name: str, data: Any) -> bytes:
    """A server-sent event."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(data))


def _error_in(piece: bytes) -> CorralError | None:
    """The error that inference has written into a stream, as it was before."""
    line = piece[piece.rindex(_ERROR) + 6 :].split(b"\n", 1)[0]
    try:
        facts = dict(msgspec.json.decode(line)["error"])
        message, param = str(facts.pop("message")), facts.pop("param", None)
        kind = by_code(str(facts.pop("code")))
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return None
    facts.pop("type", None)
    return kind(message, param=param if isinstance(param, str) else None, details=facts) if kind is not None else None


def _parsed(text: str) -> Any:
    """What an answer says; None for one that was cut or refused, and so is no JSON."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _usage(used: Used | None) -> dict[str, int] | None:
    if used is None:
        return None
    return {
        "promptTokens": used.prompt_tokens,
        "completionTokens": used.completion_tokens,
        "totalTokens": used.prompt_tokens + used.completion_tokens,
        "cachedTokens": used.cached_tokens,
    }
