"""What the dialects of Anthropic, Gemini and Ollama can say: their places in the contract suite (see `tests.support.dialects`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from hypothesis import strategies as st

from corral.dialects.form import (
    Audio,
    ChatRequest,
    Document,
    Format,
    Image,
    Message,
    Part,
    Reasoning,
    StopReason,
    Text,
    Thinking,
    Tool,
    ToolCall,
    Usage,
)
from tests.support.dialects import (
    Strategy,
    Tongue,
    answers,
    arguments,
    calls,
    conversations,
    counts,
    datas,
    ids,
    images,
    marks,
    names,
    objects,
    requests,
    schemas,
    some,
    texts,
    urls,
)

Endings = Callable[[bool], Strategy[tuple[StopReason, str | None]]]

_solid = texts.filter(str.strip)
"""Anthropic takes no text of white space alone."""

_shares = st.floats(0, 1, allow_subnormal=False)
_ones = st.integers(1, 2**31)
_one_line = st.tuples(objects, st.booleans()).map(lambda found: json.dumps(found[0], ensure_ascii=found[1]))
"""Arguments in dialects whose streams tell a call whole, and so on one line."""

_closed = st.dictionaries(
    names, st.sampled_from([{"type": "string"}, {"type": "array", "items": {"type": "integer"}}])
).map(lambda fields: {"type": "object", "properties": fields, "additionalProperties": False})


def _join(*lists: Strategy[Any]) -> Strategy[tuple[Part, ...]]:
    return st.tuples(*lists).map(lambda found: tuple(part for parts in found for part in parts))


def _up_to(count: int, one: Strategy[Any], least: int = 0) -> Strategy[list[Any]]:
    return st.lists(one, min_size=least, max_size=count)


def _system(one: Strategy[Any], count: int = 1) -> Strategy[tuple[Message, ...]]:
    return _up_to(count, one.map(lambda part: Message("system", (part,)))).map(tuple)


def _endings(*plain: StopReason, sequences: bool = False) -> Endings:
    def endings(called: bool) -> Strategy[tuple[StopReason, str | None]]:
        first: StopReason = "tool_calls" if called else "stop"
        found: Strategy[tuple[StopReason, str | None]] = st.sampled_from(
            [(first, None), *((one, None) for one in plain)]
        )
        return found | texts.map(lambda text: ("stop_sequence", text)) if sequences and not called else found

    return endings


def _together(request: ChatRequest) -> ChatRequest:
    """The same with the answers to calls in one message: these dialects have them together."""
    messages: list[Message] = []
    for message in request.messages:
        if messages and message.role == "tool" == messages[-1].role:
            messages[-1] = Message("tool", (*messages[-1].parts, *message.parts))
        else:
            messages.append(message)
    return msgspec.structs.replace(request, messages=tuple(messages))


# Anthropic

_anthropic_texts = st.builds(Text, _solid, marks)
_anthropic_images = (
    st.builds(msgspec.structs.replace, images, cache=marks)
    | st.builds(Image, url=urls, cache=marks)
    | st.builds(Image, id=ids)
)  # fmt: skip
_anthropic_files = (
    st.builds(Document, st.none() | names, st.just("application/pdf"), datas)
    | st.builds(Document, st.none() | names, text=texts, cache=marks)
    | st.builds(Document, url=urls)
    | st.builds(Document, id=ids)
)
_anthropic_thoughts = st.builds(Reasoning, texts, ids) | st.builds(Reasoning, redacted=ids)
_anthropic_calls = st.builds(ToolCall, ids.map(lambda name: f"toolu_{name}"), names, arguments(), st.none(), marks)
_anthropic_results = _up_to(2, _anthropic_texts | _anthropic_images | _anthropic_files).map(tuple)
_anthropic_fields = st.tuples(
    st.sampled_from([{}, {"stream": True, "include_usage": True}]),
    st.fixed_dictionaries({"max_tokens": st.integers(0, 10**6)}),
    some(
        temperature=_shares,
        top_p=_shares,
        top_k=st.integers(0, 500),
        stop=_up_to(4, texts).map(tuple),
        user=texts,
        format=st.builds(Format, st.just("schema"), schema=_closed),
        thinking=st.builds(Thinking, st.just(True), st.none() | st.just("low"), st.integers(1024, 9999))
        | st.builds(Thinking, st.just(True), st.none() | st.just("high"), summary=st.none() | st.just("omitted"))
        | st.builds(Thinking, st.just(False))
        | st.builds(Thinking, effort=st.sampled_from(["low", "medium", "high", "max"])),
    ),
).map(lambda found: {**found[0], **found[1], **found[2]})
_anthropic_extras = some(
    service_tier=st.just("auto"),
    container=st.none(),
    temperature=st.none(),
    context_management=objects,
    tools=st.just([{"type": "web_search_20250305", "name": "web_search"}]),
    output_config=st.just({"task_budget": {"type": "tokens", "total": 9}}),
)
_anthropic_usages = st.tuples(_ones, _ones, counts, counts, st.integers(0, 5)).map(
    lambda found: Usage(found[0] + found[2] + found[3], found[1] + found[4], found[2], found[3], found[4])
)


def _as_anthropic_has_it(request: ChatRequest) -> ChatRequest:
    """Every conversation with calls has tools; whether calls may be made at once is a part of the choice of a tool."""
    request = _together(request)
    called = any(isinstance(part, ToolCall) for message in request.messages for part in message.parts)
    if called and not request.tools and "tools" not in request.extras:
        request = msgspec.structs.replace(request, tools=(Tool("known", schema={"type": "object"}),))
    if request.temperature is not None and "temperature" in request.extras:
        extras = {name: value for name, value in request.extras.items() if name != "temperature"}
        request = msgspec.structs.replace(request, extras=extras)
    chosen = request.tool_choice is not None and request.tool_choice.mode != "none"
    return msgspec.structs.replace(request, parallel_tools=len(request.messages) % 2 == 0 if chosen else None)


def _ends_well(request: ChatRequest) -> bool:
    """The beginning of an answer does not end in white space."""
    last = request.messages[-1].parts[-1]
    return not request.continues or (isinstance(last, Text) and last.text == last.text.rstrip())


ANTHROPIC = Tongue(
    "anthropic",
    requests(
        "anthropic",
        conversations(
            _up_to(1, _up_to(2, _anthropic_texts, 1).map(lambda parts: Message("system", tuple(parts)))).map(tuple),
            _up_to(3, _anthropic_texts | _anthropic_images | _anthropic_files, 1).map(tuple),
            _up_to(4, _anthropic_thoughts | st.builds(Text, _solid) | _anthropic_calls).map(tuple),
            _anthropic_results,
        ),
        _anthropic_fields,
        st.builds(Tool, names, st.none() | texts, schemas, st.none() | st.just(False), marks),
        _anthropic_extras,
    )
    .map(_as_anthropic_has_it)
    .filter(_ends_well),
    answers(
        _up_to(5, _anthropic_thoughts | st.builds(Reasoning, texts) | st.builds(Text, texts) | calls).map(tuple),
        _endings("length", "refusal", "pause", sequences=True),
        st.none() | _anthropic_usages,
    ),
    told=("id", "model"),
)

# Gemini

_signatures = ids.map(lambda name: f"gemini:{name}")
_gemini_thoughts = st.builds(Reasoning, texts, st.none() | _signatures) | st.builds(Reasoning, st.just(""), _signatures)
_gemini_calls = st.builds(ToolCall, ids.map(lambda name: f"call_{name}"), names, _one_line, st.none() | _signatures)
_gemini_user = (
    st.builds(Text, texts)
    | images
    | st.builds(Image, st.just("image/jpeg"), url=urls)
    | st.builds(Document, media_type=st.just("application/pdf"), data=datas)
    | st.builds(Document, media_type=st.just("application/pdf"), url=urls)
    | st.builds(Document, media_type=st.just("text/plain"), text=texts)
    | st.builds(Audio, st.sampled_from(["wav", "mp3"]), datas)
)
_gemini_fields = st.tuples(
    st.just({"include_usage": True}),
    some(
        max_tokens=st.integers(0, 10**6),
        temperature=_shares,
        top_p=_shares,
        top_k=st.integers(0, 500),
        seed=st.integers(-(2**31), 2**31 - 1),
        presence_penalty=st.floats(-2, 2),
        frequency_penalty=st.floats(-2, 2),
        stop=_up_to(4, texts).map(tuple),
        choices=st.integers(1, 8),
        logprobs=st.booleans(),
        top_logprobs=st.integers(0, 20),
        format=st.sampled_from([Format("text"), Format("json")]) | st.builds(Format, st.just("schema"), schema=schemas),
        thinking=st.builds(Thinking, st.sampled_from([None, True]), st.none(), st.integers(1, 9999))
        | st.builds(Thinking, st.sampled_from([None, True]), st.sampled_from(["low", "high"]))
        | st.just(Thinking(enabled=False))
        | st.just(Thinking(effort="low", summary="omitted")),
    ),
).map(lambda found: {**found[0], **found[1]})
_gemini_logprobs = st.none() | st.lists(
    st.tuples(texts, st.floats(-20, 0)).map(
        lambda found: {
            "token": found[0],
            "logprob": found[1],
            "bytes": list(found[0].encode()),
            "top_logprobs": [{"token": "x", "logprob": -1.5, "bytes": [120]}],
        }
    ),
    min_size=1,
    max_size=3,
).map(tuple)
_gemini_usages = st.tuples(counts, counts, counts, counts).map(
    lambda found: Usage(found[0], found[1] + found[3], found[2], 0, found[3])
)

GEMINI = Tongue(
    "gemini",
    requests(
        "gemini",
        conversations(
            _system(st.builds(Text, texts)),
            _up_to(3, _gemini_user, 1).map(tuple),
            _up_to(4, _gemini_thoughts | st.builds(Text, texts) | images | _gemini_calls).map(tuple),
            _up_to(1, st.builds(Text, texts)).map(tuple),
        ),
        _gemini_fields,
        st.builds(Tool, names, st.none() | texts, st.none() | schemas),
        some(
            safetySettings=st.just([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]),
            cachedContent=st.none(),
            tools=st.just([{"googleSearch": {}}]),
            generationConfig=st.just({"responseModalities": ["TEXT"], "speechConfig": None}),
        ),
    ).map(lambda request: msgspec.structs.replace(_together(request), model="")),
    answers(
        _join(
            _up_to(1, _gemini_thoughts),
            _up_to(1, st.builds(Text, texts)),
            _up_to(2, images),
            _up_to(3, _gemini_calls),
        ),
        _endings("length", "content_filter", "pause"),
        st.none() | _gemini_usages,
        3,
        _gemini_logprobs,
    ),
    told=("id", "model"),
    side_by_side=False,
    calls_whole=True,
)

# Ollama

_ollama_images = st.sampled_from(
    [Image("image/png", "iVBORw0KGgo="), Image("image/jpeg", "/9j/4AAQ"), Image("image/webp", "UklGRg==")]
)
_ollama_said = _join(_up_to(1, st.builds(Text, texts)), _up_to(2, _ollama_images))
_ollama_fields = st.tuples(
    st.sampled_from([{"include_usage": True}, {"include_usage": True, "stream": True}]),
    some(
        max_tokens=st.integers(0, 10**6),
        temperature=_shares,
        top_p=_shares,
        top_k=st.integers(0, 500),
        min_p=_shares,
        seed=st.integers(-(2**31), 2**31 - 1),
        presence_penalty=st.floats(-2, 2),
        frequency_penalty=st.floats(-2, 2),
        repeat_penalty=st.floats(0, 2),
        stop=_up_to(4, texts).map(tuple),
        logprobs=st.booleans(),
        top_logprobs=st.integers(0, 20),
        format=st.just(Format("json")) | st.builds(Format, st.just("schema"), schema=schemas),
        thinking=st.sampled_from([Thinking(enabled=True), Thinking(enabled=False), Thinking(effort="high")]),
    ),
).map(lambda found: {**found[0], **found[1]})
_ollama_extras = some(
    keep_alive=st.just("5m"), options=st.just({"num_ctx": 8192, "mirostat": 2}), truncate=st.just(True)
)
_ollama_calls = st.builds(ToolCall, ids.map(lambda name: f"call_{name}"), names, _one_line)
_ollama_logprobs = st.none() | st.lists(
    st.fixed_dictionaries({"token": texts, "logprob": st.floats(-20, 0), "top_logprobs": st.just([])}),
    min_size=1,
    max_size=3,
).map(tuple)
_ollama_usages = st.builds(Usage, _ones, counts)
_ollama_answer = (_up_to(1, st.builds(Reasoning, texts)), _up_to(1, st.builds(Text, texts)))

OLLAMA_CHAT = Tongue(
    "ollama_chat",
    requests(
        "ollama_chat",
        conversations(
            _system(st.builds(Text, texts), 2),
            _ollama_said,
            _join(*_ollama_answer, _up_to(2, _ollama_calls)),
            _ollama_said,
        ),
        _ollama_fields,
        st.builds(Tool, names, st.none() | texts, st.none() | schemas),
        _ollama_extras,
    ).map(lambda request: msgspec.structs.replace(request, tool_choice=None)),
    answers(
        _join(*_ollama_answer, _up_to(2, _ollama_images), _up_to(3, _ollama_calls)),
        _endings("length", "content_filter", "refusal", "pause"),
        st.none() | _ollama_usages,
        1,
        _ollama_logprobs,
    ),
    told=("model", "created"),
    side_by_side=False,
    calls_whole=True,
)


@st.composite
def _prompts(draw: st.DrawFn) -> ChatRequest:
    said = draw(_ollama_said.filter(bool))
    messages = (*draw(_system(st.builds(Text, texts))), Message("user", said))
    return ChatRequest(
        model=draw(names),
        messages=messages,
        dialect="ollama_generate",
        extras=draw(_ollama_extras),
        **draw(_ollama_fields),
    )


OLLAMA_GENERATE = Tongue(
    "ollama_generate",
    _prompts(),
    answers(
        _join(*_ollama_answer, _up_to(1, _ollama_images)),
        _endings("length", "content_filter", "refusal", "pause"),
        st.none() | _ollama_usages,
        1,
        _ollama_logprobs,
    ),
    told=("model", "created"),
    side_by_side=False,
    calls_whole=True,
)

VENDORS: Mapping[str, Tongue] = {tongue.name: tongue for tongue in (ANTHROPIC, GEMINI, OLLAMA_CHAT, OLLAMA_GENERATE)}
