"""A stream of OpenAI's chat for a client, from events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from corral.dialects.form import (
    ChatEvent,
    Finished,
    ImageDelta,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from corral.dialects.openai_chat import facts
from corral.dialects.openai_chat.answers import is_legacy
from corral.dialects.openai_chat.errors import write_error
from corral.dialects.openai_chat.reader import ChatReader
from corral.dialects.ports import About
from corral.dialects.sse import DONE
from corral.kit.errors import CorralError

_encode = msgspec.json.Encoder().encode


class ChatWriter:
    """Writes a stream. A choice's first delta has the role and an empty `content`; usage comes last, in a chunk without choices,
    and only when the client asked for it."""

    def __init__(self, about: About) -> None:
        self._usage_asked = about.request.include_usage
        self._legacy = is_legacy(about)
        self._head = (
            b'data: {"id":'
            + _encode(about.id)
            + b',"object":"chat.completion.chunk","created":'
            + _encode(about.created)
            + b',"model":'
            + _encode(about.model)
            + b',"choices":['
        )
        self._tail = b'],"usage":null}\n\n' if self._usage_asked else b"]}\n\n"
        self._begun: dict[int, tuple[bytes, bytes]] = {}
        self._usage: Usage | None = None
        self._details: dict[int, int] = {}
        self._writing: dict[type[Any], Callable[[Any], bytes]] = {
            TextDelta: self._text,
            ReasoningDelta: self._reasoning,
            ToolCallDelta: self._call,
            RefusalDelta: self._refusal,
            ImageDelta: self._image,
            Usage: self._count,
            Finished: self._finish,
        }

    def resume(self, sent: bytes) -> None:
        """Takes over a stream of which the client has got `sent`."""
        for event in ChatReader().feed(sent):
            self.write(event)

    def write(self, event: ChatEvent) -> bytes:
        """The bytes for one event."""
        if type(event) is TextDelta and event.logprobs is None:
            role, head, end = self._choice(event.choice)
            return b"".join((role, head, b'"content":', _encode(event.text), end))
        writing = self._writing.get(type(event))
        return writing(event) if writing is not None else b""

    def end(self) -> bytes:
        """The bytes that end a whole answer."""
        if not self._usage_asked or self._usage is None:
            return DONE
        return self._head + b'],"usage":' + _encode(facts.write_usage(self._usage)) + b"}\n\n" + DONE

    def fail(self, error: CorralError) -> bytes:
        """The bytes that tell a failure after the stream has begun."""
        return b"data: " + write_error(error) + b"\n\n"

    def _choice(self, index: int) -> tuple[bytes, bytes, bytes]:
        """What goes before and after a delta of the choice; the chunk with the role, the first time."""
        known = self._begun.get(index)
        if known is not None:
            return b"", known[0], known[1]
        head = self._head + b'{"index":' + _encode(index) + b',"delta":{'
        end = b'},"logprobs":null,"finish_reason":null}' + self._tail
        self._begun[index] = (head, end)
        return head + b'"role":"assistant","content":"","refusal":null' + end, head, end

    def _chunk(
        self,
        index: int,
        delta: dict[str, Any],
        *,
        logprobs: Any = None,
        reason: str | None = None,
        sequence: str | None = None,
    ) -> bytes:
        choice: dict[str, Any] = {
            "index": index,
            "delta": delta,
            "logprobs": {"content": logprobs, "refusal": None} if logprobs is not None else None,
            "finish_reason": reason,
        }
        if sequence is not None:
            choice["stop_reason"] = sequence
        return self._head + _encode(choice) + self._tail

    def _text(self, event: TextDelta) -> bytes:
        role, _, _ = self._choice(event.choice)
        return role + self._chunk(event.choice, {"content": event.text}, logprobs=event.logprobs)

    def _refusal(self, event: RefusalDelta) -> bytes:
        role, head, end = self._choice(event.choice)
        return role + head + b'"refusal":' + _encode(event.text) + end

    def _image(self, event: ImageDelta) -> bytes:
        role, head, end = self._choice(event.choice)
        return role + head + b'"images":' + _encode([facts.write_image(event.image)]) + end

    def _count(self, event: Usage) -> bytes:
        self._usage = event
        return b""

    def _finish(self, event: Finished) -> bytes:
        role, _, _ = self._choice(event.choice)
        reason = facts.write_reason(event.reason, legacy=self._legacy)
        return role + self._chunk(event.choice, {}, reason=reason, sequence=event.stop_sequence)

    def _reasoning(self, event: ReasoningDelta) -> bytes:
        role, head, end = self._choice(event.choice)
        if event.signature is None and event.redacted is None:
            return role + head + b'"reasoning_content":' + _encode(event.text) + end
        number = self._details.get(event.choice, 0)
        self._details[event.choice] = number + 1
        detail: dict[str, Any] = {"type": "reasoning.text", "text": "", "signature": event.signature, "index": number}
        if event.redacted is not None:
            detail = {"type": "reasoning.encrypted", "data": event.redacted, "index": number}
        delta: dict[str, Any] = {"reasoning_details": [detail]}
        if event.text:
            delta["reasoning_content"] = event.text
        return role + self._chunk(event.choice, delta)

    def _call(self, event: ToolCallDelta) -> bytes:
        role, head, end = self._choice(event.choice)
        if self._legacy:
            if event.index:
                return b""
            named = b'"name":' + _encode(event.name) + b"," if event.name is not None else b""
            return role + head + b'"function_call":{' + named + b'"arguments":' + _encode(event.arguments) + b"}" + end
        piece = b'"tool_calls":[{"index":' + _encode(event.index)
        if event.id is not None:
            piece += (
                b',"id":' + _encode(event.id) + b',"type":"function","function":{"name":' + _encode(event.name) + b","
            )
        else:
            piece += b',"function":{'
        piece += b'"arguments":' + _encode(event.arguments) + b"}"
        if event.signature is not None:
            piece += b',"extra_content":{"google":{"thought_signature":' + _encode(event.signature) + b"}}"
        return role + head + piece + b"}]" + end
