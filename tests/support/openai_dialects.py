"""What OpenAI's two dialects can say: their places in the contract suite (see `tests.support.dialects`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from corral.dialects.form import (
    Audio,
    Document,
    Format,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    StopReason,
    Text,
    Thinking,
    Tool,
    ToolCall,
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
    full_usages,
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

_fractions = st.floats(0, 2, allow_subnormal=False)
_logprobs = st.none() | st.lists(
    st.fixed_dictionaries(
        {"token": texts, "logprob": st.floats(-20, 0), "bytes": st.none(), "top_logprobs": st.just([])}
    ),
    min_size=1,
    max_size=3,
).map(tuple)
_thoughts = st.builds(Reasoning, text=texts)
_proved = st.builds(Reasoning, text=texts, signature=ids) | st.builds(Reasoning, redacted=ids)
_formats = (
    st.sampled_from([Format("text"), Format("json")])
    | st.builds(
        Format, st.just("schema"), names, schemas, st.none() | st.booleans(), st.none() | texts
    )
)  # fmt: skip
_tools = st.builds(Tool, names, st.none() | texts, st.none() | schemas, st.none() | st.booleans())
_documents = st.builds(Document, name=names, media_type=st.just("application/pdf"), data=datas)
_kept_documents = st.builds(Document, name=st.none() | names, id=ids)


def _join(*lists: Strategy[list[Any]]) -> Strategy[tuple[Part, ...]]:
    return st.tuples(*lists).map(lambda found: tuple(part for parts in found for part in parts))


def _up_to(count: int, one: Strategy[Any]) -> Strategy[list[Any]]:
    return st.lists(one, max_size=count)


def _openai_endings(*, sequences: bool) -> Callable[[bool], Strategy[tuple[StopReason, str | None]]]:
    def endings(called: bool) -> Strategy[tuple[StopReason, str | None]]:
        plain: Strategy[tuple[StopReason, str | None]]
        plain = st.sampled_from(
            [("tool_calls" if called else "stop", None), ("length", None), ("content_filter", None)]
        )
        if not sequences or called:
            return plain
        return plain | texts.map(lambda text: ("stop_sequence", text))

    return endings


_chat_user = st.lists(
    st.builds(Text, texts, marks)
    | images
    | st.builds(Image, url=urls, detail=st.none() | st.sampled_from(["low", "high"]), cache=marks)
    | _documents
    | _kept_documents
    | st.builds(Audio, st.sampled_from(["wav", "mp3"]), datas),
    min_size=1,
    max_size=3,
).map(tuple)
_details = st.builds(Reasoning, texts, ids, st.none(), st.none() | ids) | st.builds(
    Reasoning, redacted=ids, id=st.none() | ids
)
_chat_reasoning = _up_to(1, _thoughts) | _up_to(2, _details)
_chat_calls = st.builds(
    ToolCall, ids.map(lambda name: f"call_{name}"), names, arguments(), st.none() | ids
)  # fmt: skip
_chat_assistant = _join(
    _chat_reasoning, _up_to(2, st.builds(Text, texts)), _up_to(1, st.builds(Refusal, texts)), _up_to(2, _chat_calls)
)
_chat_system = st.lists(
    st.builds(Message, st.sampled_from(["system", "developer"]), _up_to(2, st.builds(Text, texts, marks)).map(tuple)),
    max_size=2,
).map(tuple)
_results = _up_to(2, st.builds(Text, texts)).map(tuple)
_stream = st.sampled_from([{}, {"stream": True}, {"stream": True, "include_usage": True}])
_amounts = {
    "max_tokens": st.integers(0, 10**6),
    "temperature": _fractions,
    "top_p": _fractions,
    "top_logprobs": st.integers(0, 20),
    "user": texts,
    "metadata": st.dictionaries(names, texts, max_size=2),
}
_chat_fields = st.tuples(
    _stream,
    some(
        **_amounts,
        format=_formats,
        thinking=st.builds(Thinking, effort=st.sampled_from(["none", "minimal", "low", "medium", "high"])),
        top_k=st.integers(0, 100),
        min_p=_fractions,
        repeat_penalty=_fractions,
        seed=st.integers(-(2**63), 2**63 - 1),
        presence_penalty=st.floats(-2, 2),
        frequency_penalty=st.floats(-2, 2),
        stop=st.lists(texts, max_size=4).map(tuple),
        choices=st.integers(1, 8),
        logprobs=st.booleans(),
        logit_bias=st.dictionaries(
            counts.map(str), st.integers(-100, 100).map(float) | st.floats(-100, 100), max_size=2
        ),
    ),
).map(lambda found: {**found[0], **found[1]})
_web_search = {"type": "web_search", "filters": None}
_chat_extras = some(
    store=st.none() | st.booleans(),
    prompt_cache_key=texts,
    service_tier=st.none(),
    prediction=objects,
    tools=st.just([_web_search]),
)

_responses_user = st.lists(
    st.builds(Text, texts)
    | images
    | st.builds(Image, url=urls, detail=st.none() | st.sampled_from(["low", "high"]))
    | st.builds(Image, id=ids)
    | _documents
    | _kept_documents
    | st.builds(Document, name=st.none() | names, url=urls)
    | st.builds(Audio, st.sampled_from(["wav", "mp3"]), datas),
    min_size=1,
    max_size=3,
).map(tuple)
_own = st.just("") | ids
_responses_reasoning = (
    st.builds(Reasoning, texts, id=st.none() | ids)
    | st.builds(Reasoning, texts, ids, st.none(), _own)
    | st.builds(Reasoning, redacted=ids, id=_own)
)
_responses_assistant = st.lists(
    _responses_reasoning | st.builds(Text, texts) | st.builds(Refusal, texts) | calls, max_size=4
).map(tuple)
_responses_results = st.lists(st.builds(Text, texts) | images | _documents, max_size=2).map(tuple)
_responses_fields = st.tuples(
    st.sampled_from([{"include_usage": True}, {"include_usage": True, "stream": True}]),
    some(
        **_amounts,
        format=_formats,
        parallel_tools=st.booleans(),
        thinking=st.builds(Thinking, effort=st.sampled_from(["low", "high"]), summary=st.none() | st.just("auto")),
    ),
).map(lambda found: {**found[0], **found[1]})
_responses_parts = st.lists(
    _thoughts | _proved | st.builds(Text, texts) | st.builds(Refusal, texts) | calls | images, max_size=5
).map(tuple)

CHAT = Tongue(
    "openai_chat",
    requests(
        "openai_chat",
        conversations(_chat_system, _chat_user, _chat_assistant, _results),
        _chat_fields,
        st.builds(Tool, names, st.none() | texts, st.none() | schemas, st.none() | st.booleans()),
        _chat_extras,
    ),
    answers(
        _join(
            _up_to(1, _thoughts) | _up_to(2, _proved),
            _up_to(1, st.builds(Text, texts)),
            _up_to(1, st.builds(Refusal, texts)),
            _up_to(1, images),
            _up_to(3, _chat_calls),
        ),
        _openai_endings(sequences=True),
        st.none() | full_usages,
        3,
        _logprobs,
    ),
)
RESPONSES = Tongue(
    "openai_responses",
    requests(
        "openai_responses",
        conversations(
            _up_to(1, st.builds(Message, st.just("system"), st.builds(Text, texts).map(lambda text: (text,)))).map(
                tuple
            ),
            _responses_user,
            _responses_assistant,
            _responses_results,
        ),
        _responses_fields,
        _tools,
        some(
            store=st.none() | st.booleans(),
            truncation=st.just("auto"),
            tools=st.just([_web_search]),
            text=st.just({"verbosity": "low"}),
        ),
    ),
    answers(_responses_parts, _openai_endings(sequences=False), st.none() | full_usages, 1, _logprobs),
)

OPENAI: dict[str, Tongue] = {tongue.name: tongue for tongue in (CHAT, RESPONSES)}
