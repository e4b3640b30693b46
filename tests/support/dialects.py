"""What dialects can say, as hypothesis strategies: the pieces, requests, answers and events from which each one's place is made.

A dialect joins the contract suite (tests/contract/test_dialects_*.py) by a `Tongue`, as in `openai_dialects.py` and `vendor_dialects.py`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from string import ascii_letters, digits
from typing import Any

from hypothesis import strategies as st

from corral.dialects.form import (
    Answer,
    ChatEvent,
    ChatRequest,
    Choice,
    Finished,
    Image,
    Message,
    Part,
    ReasoningDelta,
    RefusalDelta,
    StopReason,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
    Usage,
)
from corral.dialects.gathering import scatter

Strategy = st.SearchStrategy


@dataclass(frozen=True)
class Tongue:
    """One dialect's place in the suite.

    Attributes:
        name: of the dialect.
        requests: requests that `read_request(write_request(r))` gives back as they were.
        answers: answers that `read_answer(write_answer(a))` gives back as they were.
        told: the facts of an answer that the wire form carries, of id, model and created.
        side_by_side: whether pieces of several tool calls can be told in turns.
        calls_whole: whether a tool call is told in one event, so that a stream cannot be taken over within one.
    """

    name: str
    requests: Strategy[ChatRequest]
    answers: Strategy[Answer]
    told: tuple[str, ...] = ("id", "model", "created")
    side_by_side: bool = True
    calls_whole: bool = False


# Pieces that dialects share


def _spelt(number: int, first: str, others: str) -> str:
    """A word of letters for a number: it costs hypothesis one choice, where a pattern costs two for each letter."""
    number, place = divmod(number, len(first))
    word = first[place]
    while number:
        number, place = divmod(number, len(others))
        word += others[place]
    return word


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=24)
names = st.integers(0, 53 * 63**12 - 1).map(
    lambda number: _spelt(number, ascii_letters + "_", ascii_letters + digits + "_")
)
ids = st.integers(62**3, 62**12 - 1).map(lambda number: _spelt(number, ascii_letters + digits, ascii_letters + digits))
counts = st.integers(0, 2**31)
datas = st.binary(min_size=1, max_size=24).map(lambda data: base64.b64encode(data).decode())
urls = ids.map(lambda name: f"https://files.test/{name}")
marks = st.none() | st.just({"type": "ephemeral"})
images = st.builds(Image, media_type=st.sampled_from(["image/png", "image/webp"]), data=datas)
json_values: Strategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
objects: Strategy[dict[str, Any]] = st.dictionaries(names, json_values, max_size=3)
schemas = objects.map(lambda fields: {"type": "object", "properties": fields})


@st.composite
def arguments(draw: st.DrawFn) -> str:
    """The arguments of a call, as a model writes them: with its own white space."""
    return json.dumps(draw(objects), ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1])))


calls = st.builds(ToolCall, id=ids.map(lambda name: f"call_{name}"), name=names, arguments=arguments())
full_usages = st.builds(Usage, counts, counts, counts, counts, counts)


def some(**fields: Strategy[Any]) -> Strategy[dict[str, Any]]:
    """A choice of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


def unique_calls(parts: Iterable[Part]) -> bool:
    """Whether no two calls have the same id."""
    known = [part.id for part in parts if isinstance(part, ToolCall)]
    return len(known) == len(set(known))


@st.composite
def conversations(
    draw: st.DrawFn,
    system: Strategy[tuple[Message, ...]],
    user: Strategy[tuple[Part, ...]],
    assistant: Strategy[tuple[Part, ...]],
    result: Strategy[tuple[Any, ...]],
) -> tuple[Message, ...]:
    """Turns of user and assistant; calls are answered at once, by a message each. It ends with the user, with the answers of
    tools, or with the beginning of an answer."""
    messages = list(draw(system))
    for _ in range(draw(st.integers(0, 2))):
        messages.append(Message("user", draw(user)))
        said = draw(assistant.filter(bool).filter(unique_calls))
        messages.append(Message("assistant", said))
        messages += [
            Message("tool", (ToolResult(part.id, draw(result)),)) for part in said if isinstance(part, ToolCall)
        ]
    if messages and messages[-1].role == "tool" and draw(st.booleans()):
        return tuple(messages)
    messages.append(Message("user", draw(user)))
    if draw(st.integers(0, 4)) == 0:
        messages.append(Message("assistant", (Text(draw(texts)),)))
    return tuple(messages)


@st.composite
def requests(
    draw: st.DrawFn,
    name: str,
    messages: Strategy[tuple[Message, ...]],
    fields: Strategy[dict[str, Any]],
    tools: Strategy[Tool],
    extras: Strategy[dict[str, Any]],
) -> ChatRequest:
    """A request of dialect `name`; a last message of the assistant is one to go on with."""
    said = draw(messages)
    more = draw(fields)
    offered = tuple(draw(st.lists(tools, max_size=2, unique_by=lambda tool: tool.name)))
    if offered:
        choice = st.none() | st.sampled_from([ToolChoice("auto"), ToolChoice("none"), ToolChoice("required")])
        more["tool_choice"] = draw(choice | st.just(ToolChoice("tool", offered[0].name)))
    last = said[-1]
    return ChatRequest(
        model=draw(names),
        messages=said,
        continues=last.role == "assistant",
        tools=offered,
        dialect=name,
        extras=draw(extras),
        **more,
    )


@st.composite
def answers(
    draw: st.DrawFn,
    parts: Strategy[tuple[Part, ...]],
    endings: Callable[[bool], Strategy[tuple[StopReason, str | None]]],
    usage: Strategy[Usage | None],
    choices: int = 1,
    logprobs: Strategy[Any] | None = None,
) -> Answer:
    """An answer; `endings` says how a choice can end, with and without calls."""
    found = []
    for _ in range(draw(st.integers(1, choices))):
        said = draw(parts.filter(unique_calls))
        reason, sequence = draw(endings(any(isinstance(part, ToolCall) for part in said)))
        told = draw(logprobs) if logprobs is not None and any(isinstance(part, Text) for part in said) else None
        found.append(Choice(said, reason, sequence, told))
    return Answer(tuple(found), draw(usage), draw(ids), draw(names), draw(st.integers(0, 2**31)))


@st.composite
def told_events(draw: st.DrawFn, answer: Answer, *, cut_calls: bool = True) -> list[ChatEvent]:
    """The events of `answer`, its texts cut anywhere."""
    events: list[ChatEvent] = []
    for event in scatter(answer):
        if isinstance(event, TextDelta):
            first, *rest = _cut(draw, event.text)
            events.append(TextDelta(first, event.choice, event.logprobs))
            events += [TextDelta(piece, event.choice) for piece in rest]
        elif isinstance(event, RefusalDelta):
            events += [RefusalDelta(piece, event.choice) for piece in _cut(draw, event.text)]
        elif isinstance(event, ReasoningDelta) and event.redacted is None:
            events += [ReasoningDelta(piece, event.choice) for piece in _cut(draw, event.text) if piece]
            if event.signature is not None:
                events.append(ReasoningDelta("", event.choice, event.signature))
        elif isinstance(event, ToolCallDelta) and cut_calls:
            first, *rest = _cut(draw, event.arguments)
            events.append(ToolCallDelta(event.index, first, event.id, event.name, event.choice, event.signature))
            events += [ToolCallDelta(event.index, piece, choice=event.choice) for piece in rest]
        else:
            events.append(event)
    return events


def _cut(draw: st.DrawFn, text: str) -> list[str]:
    places = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=2))) if len(text) > 1 else []
    edges = [0, *places, len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


@st.composite
def shuffled_events(draw: st.DrawFn, answer: Answer) -> list[ChatEvent]:
    """The events of `answer` in another order that a provider may send: choices, texts, calls and usage in turns, each in its
    own order, with the start first and the end of a choice after all its pieces."""
    lanes: dict[Any, list[ChatEvent]] = {}
    ends: dict[int, ChatEvent] = {}
    events = draw(told_events(answer))
    for event in events[1:]:
        if isinstance(event, Finished):
            ends[event.choice] = event
        elif isinstance(event, Usage):
            lanes["usage"] = [event]
        else:
            number = event.index if isinstance(event, ToolCallDelta) else -1
            lanes.setdefault((getattr(event, "choice", 0), number), []).append(event)
    out: list[ChatEvent] = [events[0]]
    while lanes:
        key = draw(st.sampled_from(sorted(lanes, key=str)))
        out.append(lanes[key].pop(0))
        if not lanes[key]:
            del lanes[key]
        for choice in list(ends):
            if not any(lane != "usage" and lane[0] == choice for lane in lanes):
                out.append(ends.pop(choice))
    return [*out, *ends.values()]
