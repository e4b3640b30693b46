"""What there is to do about a cut answer: nothing but its end, or the ways to have it continued, the best first. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from corral.dialects.form import (
    ChatEvent,
    ChatRequest,
    Finished,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    StopReason,
    Text,
    TextDelta,
    Thinking,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    text_message,
)
from corral.dialects.gathering import Gathering
from corral.inference.continuing.fitting import Unfit, flaw, is_object, rest, without_fence
from corral.inference.continuing.joining import Continued, Joined
from corral.inference.continuing.shaping import HeldShaper, Rethought, Shaper, TextShaper

ANCHOR = 60
"""Characters of the end that a model is asked to begin with."""


class Ending(NamedTuple):
    """The answer is whole but for its end: these events are left to tell."""

    events: tuple[ChatEvent, ...]


class Way(NamedTuple):
    """A request whose answer can be joined to what was sent, by a new `shaper`."""

    name: str
    request: ChatRequest
    shaper: Callable[[], Shaper]


class _Cut(NamedTuple):
    """A cut answer: the request, what the client has got of the answer, and the tokens that was."""

    request: ChatRequest
    parts: tuple[Part, ...]
    tokens: int

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def thought(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Reasoning))

    @property
    def calls(self) -> int:
        return sum(isinstance(part, ToolCall) for part in self.parts)


def reason_not_to(request: ChatRequest, sent: Gathering) -> str | None:
    """Why nobody can go on with this answer, None when somebody may."""
    if (request.choices or 1) > 1:
        return "it has several choices"
    parts = sent.parts()
    if any(isinstance(part, Image) for part in parts):
        return "it has images"
    if any(isinstance(part, Refusal) for part in parts):
        return "it was a refusal"
    return None


def plan(request: ChatRequest, sent: Gathering, tokens: int, *, prefill: bool) -> Ending | list[Way]:
    """What to do about an answer of which `sent` is with the client; `prefill`: the next candidate goes on with a last message."""
    cut = _Cut(request, sent.parts(), tokens)
    last = cut.parts[-1] if cut.parts else None
    if sent.finished:
        return Ending(())
    if isinstance(last, ToolCall):
        return Ending((Finished("tool_calls"),)) if is_object(last.arguments) else _call_ways(cut, last)
    return _words(cut, prefill=prefill)


def _words(cut: _Cut, *, prefill: bool) -> Ending | list[Way]:
    request = cut.request
    structured = request.format is not None and request.format.kind != "text"
    if not cut.text.strip():
        # Nothing but thinking (or space) so far: the answer anew, without what was told of it.
        if structured:
            return _json_ways(cut, prefill=False)[:1]
        return [Way("anew", request, lambda: TextShaper(Continued(cut.text), cut.calls, Rethought(cut.thought)))]
    if structured and flaw(cut.text, _schema(request), objects=False) is None:
        return Ending((Finished("stop"),))
    left = request.max_tokens - cut.tokens if request.max_tokens is not None else None
    if left is not None and left <= 0:
        return Ending((Finished("length"),))
    if structured:
        return _json_ways(cut, prefill=prefill)
    cut = cut._replace(request=replace(request, max_tokens=left))
    return [_prefilled(cut), _asked(cut)] if prefill else [_asked(cut)]


# Text


def _prefilled(cut: _Cut) -> Way:
    given = cut.text.rstrip()
    held = cut.text[len(given) :]
    request = replace(cut.request, messages=_with_answer(cut.request, given), continues=True, thinking=_unthinking(cut))
    return Way("prefill", request, lambda: TextShaper(Continued(held), cut.calls))


def _asked(cut: _Cut) -> Way:
    told = (
        "Your answer above was cut off in the middle. Go on with it exactly where it ends, and write nothing but the rest of it: "
        f"no introduction, no apology. Begin with its last characters, which are {json.dumps(_anchor(cut.text), ensure_ascii=False)}."
    )
    messages = (*_with_answer(cut.request, cut.text), text_message("user", told))
    request = replace(cut.request, messages=messages, continues=False)
    before = _begun_by_client(cut.request) + cut.text
    return Way("asking", request, lambda: TextShaper(Joined(before), cut.calls))


def _anchor(text: str) -> str:
    tail = text[-ANCHOR:]
    place = tail.find(" ")
    return tail[place + 1 :] if len(text) > ANCHOR and 0 <= place < ANCHOR // 2 else tail


def _begun_by_client(request: ChatRequest) -> str:
    """The beginning of the answer that the client itself had given."""
    if not request.continues:
        return ""
    return "".join(part.text for part in request.messages[-1].parts if isinstance(part, Text))


def _with_answer(request: ChatRequest, text: str) -> tuple[Message, ...]:
    """The messages with the answer so far as the last one."""
    if request.continues:
        last = request.messages[-1]
        return (*request.messages[:-1], Message("assistant", (*last.parts, Text(text)), last.name))
    return (*request.messages, text_message("assistant", text))


def _unthinking(cut: _Cut) -> Thinking | None:
    """An answer that has begun is not thought about again, and not every provider lets a prefilled one be."""
    return Thinking(enabled=False) if cut.thought or cut.request.thinking is not None else None


# JSON


def _call_ways(cut: _Cut, call: ToolCall) -> list[Way]:
    index = cut.calls - 1
    tool = next((tool for tool in cut.request.tools if tool.name == call.name), None)
    schema = tool.schema if tool is not None else None
    begun = call.arguments

    def told(more: str) -> list[ChatEvent]:
        return [ToolCallDelta(index, more), Finished("tool_calls")]

    def again(answer: Gathering) -> list[ChatEvent]:
        calls = [part.arguments for part in answer.parts() if isinstance(part, ToolCall) and part.name == call.name]
        return told(_fitting(begun, calls, schema, objects=True))

    def remaining(answer: Gathering) -> list[ChatEvent]:
        return told(_fitting(begun, _endings(begun, answer), schema, objects=True))

    forced = replace(cut.request, tool_choice=ToolChoice("tool", call.name), thinking=_unthinking(cut), max_tokens=None)
    what = f"You were calling the tool {json.dumps(call.name)}, whose arguments are JSON" + _as_schema(schema)
    return [
        Way("call again", forced, lambda: HeldShaper(again)),
        Way("rest of call", _for_rest(cut, begun, what), lambda: HeldShaper(remaining)),
    ]


def _json_ways(cut: _Cut, *, prefill: bool) -> list[Way]:
    schema = _schema(cut.request)
    begun = cut.text

    def told(more: str) -> list[ChatEvent]:
        reason: StopReason = "stop"
        return [TextDelta(more), Finished(reason)] if more else [Finished(reason)]

    def finish(answer: Gathering) -> list[ChatEvent]:
        return told(_fitting(begun, _endings(begun, answer), schema, objects=False))

    def appended(answer: Gathering) -> list[ChatEvent]:
        more = Continued(begun[len(begun.rstrip()) :]).add(_text(answer))
        return told(_fitting(begun, [begun + more, *_endings(begun, answer)], schema, objects=False))

    # A grammar would begin a new value after the prefill: it goes without.
    plain = replace(cut.request, format=None)
    ways = [_prefilled(cut._replace(request=plain))._replace(shaper=lambda: HeldShaper(appended))] if prefill else []
    anew = replace(cut.request, thinking=_unthinking(cut))
    what = "Your answer is JSON" + _as_schema(schema)
    return [
        *ways,
        Way("anew", anew, lambda: HeldShaper(finish)),
        Way("rest of JSON", _for_rest(cut._replace(request=plain), begun, what), lambda: HeldShaper(finish)),
    ]


def _schema(request: ChatRequest) -> Mapping[str, Any] | None:
    wanted = request.format
    return wanted.schema if wanted is not None and wanted.kind == "schema" else None


def _as_schema(schema: Mapping[str, Any] | None) -> str:
    return f" of this schema: {json.dumps(schema, ensure_ascii=False)}" if schema is not None else ""


def _for_rest(cut: _Cut, begun: str, what: str) -> ChatRequest:
    told = (
        f"{what}\nIt was cut off after these characters:\n{begun}\nWrite the characters that are missing and nothing else, so that those "
        "above followed by yours are the whole JSON. Do not repeat what is there."
    )
    return replace(
        cut.request,
        messages=(*cut.request.messages, text_message("user", told)),
        continues=False,
        tools=(),
        tool_choice=None,
        parallel_tools=None,
        format=None,
        thinking=_unthinking(cut),
        max_tokens=None,
    )


def _text(answer: Gathering) -> str:
    return "".join(part.text for part in answer.parts() if isinstance(part, Text))


def _endings(begun: str, answer: Gathering) -> list[str]:
    """What the whole JSON may be, by a text that tells all of it, or its rest."""
    text = without_fence(_text(answer))
    found = [text, begun + text]
    joined = Joined(begun)
    try:
        found.append(begun + joined.add(text) + joined.end())
    except Unfit:
        # It only said again what was there; the other readings may fit all the same.
        return found
    return found


def _fitting(begun: str, wholes: list[str], schema: Mapping[str, Any] | None, *, objects: bool) -> str:
    """What comes after `begun`, by the first of `wholes` that begins so and is as it must be. Raises Unfit."""
    why = "it does not begin as what was sent"
    for whole in wholes:
        more = rest(begun, whole)
        if more is not None:
            wrong = flaw(begun + more, schema, objects=objects)
            if wrong is None:
                return more
            why = wrong
    raise Unfit(f"The JSON could not be continued: {why}."[:500])
