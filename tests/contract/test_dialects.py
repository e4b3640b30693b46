"""One suite for every dialect: what it can say comes back as it was, however the bytes are cut, and a cut answer never looks whole."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corral.dialects.form import (
    Answer,
    ChatEvent,
    ChatRequest,
    Finished,
    Message,
    Part,
    Reasoning,
    ReasoningDelta,
    Started,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    Usage,
    text_message,
    text_of,
)
from corral.dialects.gathering import Gathering, gather
from corral.dialects.ports import About, Dialect, EventReader
from corral.dialects.registry import DIALECTS
from corral.inference.splitting import Splitter
from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    InvalidRequest,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
    UpstreamOverloaded,
)
from tests.support.dialects import Tongue, shuffled_events, told_events
from tests.support.openai_dialects import OPENAI
from tests.support.scale import scaled
from tests.support.vendor_dialects import VENDORS

TONGUES = {**OPENAI, **VENDORS}

EXAMPLES = scaled(60, 1500)
PLAIN = ChatRequest(model="model", messages=(text_message("user", "Hello"),), stream=True, include_usage=True)

many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
every = pytest.mark.parametrize("tongue", TONGUES.values(), ids=list(TONGUES))


def dialect_of(tongue: Tongue) -> Dialect:
    return DIALECTS[tongue.name]


def about(answer: Answer) -> About:
    return About(answer.id, answer.model, answer.created, PLAIN)


def write(dialect: Dialect, events: list[ChatEvent], answer: Answer) -> list[bytes]:
    """The bytes of each event, and of the end."""
    writer = dialect.writer(about(answer))
    return [*(writer.write(event) for event in events), writer.end()]


def read(dialect: Dialect, *chunks: bytes) -> list[ChatEvent]:
    reader = dialect.reader()
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return [*events, *reader.end()]


def compared(answer: Answer, tongue: Tongue) -> dict[str, Any]:
    """What of an answer the dialect carries."""
    facts = {name: getattr(answer, name) for name in tongue.told}
    return {"choices": answer.choices, "usage": answer.usage, **facts}


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


# Requests


@every
@many
@given(data=st.data())
def test_a_request_comes_back_as_it_was(tongue: Tongue, data: st.DataObject) -> None:
    request = data.draw(tongue.requests)
    dialect = dialect_of(tongue)
    written = dialect.write_request(request, request.model)
    assert dialect.read_request(written.body) == request
    assert written.dropped == ()


@every
@pytest.mark.parametrize("asked", TONGUES.values(), ids=list(TONGUES))
@settings(many, max_examples=max(20, EXAMPLES // 3))
@given(data=st.data())
def test_a_request_of_any_dialect_keeps_its_words(tongue: Tongue, asked: Tongue, data: st.DataObject) -> None:
    request = data.draw(asked.requests)
    try:
        written = dialect_of(tongue).write_request(request, "their-model")
    except InvalidRequest:
        # What cannot be said is refused, never left out in silence.
        return
    found = dialect_of(tongue).read_request(written.body)
    for role in ("user", "assistant"):
        place, there = 0, "".join(_words(message) for message in found.messages if message.role == role)
        said = [part for message in request.messages if message.role == role for part in message.parts]
        for words in ("".join(part.text.split()) for part in said if isinstance(part, Text)):
            # Between two of them there may be more now: images that a tool gave back, or the text of a document.
            place = there.index(words, place) + len(words)
    assert _calls(found) == _calls(request)
    if request.tools and request.tool_choice != ToolChoice("none"):
        assert [tool.name for tool in found.tools] == [tool.name for tool in request.tools]


def _words(message: Message) -> str:
    """The text without its white space: some dialects join texts by lines, some take none that is white space alone."""
    return "".join(text_of(message).split())


def _calls(request: ChatRequest) -> list[tuple[str, Any]]:
    parts = [part for message in request.messages for part in message.parts]
    return [(part.name, json.loads(part.arguments or "{}")) for part in parts if isinstance(part, ToolCall)]


@every
@many
@given(data=st.data())
def test_a_spoilt_request_is_refused_with_a_reason(tongue: Tongue, data: st.DataObject) -> None:
    request = data.draw(tongue.requests)
    spoilt = _spoil(data, dialect_of(tongue).write_request(request, "model").body)
    try:
        dialect_of(tongue).read_request(spoilt)
    except InvalidRequest as error:
        assert error.message


@every
@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{}", b'"x"', b"\xff", b"[" * 100_000, b'{"messages":' + b"[" * 100_000]
)
def test_what_is_no_request_is_refused(tongue: Tongue, body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        dialect_of(tongue).read_request(body)


# Whole answers


@every
@many
@given(data=st.data())
def test_an_answer_comes_back_as_it_was(tongue: Tongue, data: st.DataObject) -> None:
    answer = data.draw(tongue.answers)
    dialect = dialect_of(tongue)
    found = dialect.read_answer(dialect.write_answer(answer, about(answer)))
    assert compared(found, tongue) == compared(answer, tongue)


@every
@many
@given(data=st.data())
def test_a_spoilt_answer_is_a_failure_of_the_provider(tongue: Tongue, data: st.DataObject) -> None:
    answer = data.draw(tongue.answers)
    spoilt = _spoil(data, dialect_of(tongue).write_answer(answer, about(answer)))
    try:
        dialect_of(tongue).read_answer(spoilt)
    except CorralError as error:
        assert error.message


# Streams


@every
@many
@given(data=st.data())
def test_a_stream_comes_back_as_it_was(tongue: Tongue, data: st.DataObject) -> None:
    answer = data.draw(tongue.answers)
    events = data.draw(told_events(answer))
    found = gather(read(dialect_of(tongue), *write(dialect_of(tongue), events, answer)))
    assert compared(found, tongue) == compared(gather(events), tongue)


@every
@many
@given(data=st.data())
def test_every_order_of_a_provider_is_understood(tongue: Tongue, data: st.DataObject) -> None:
    answer = data.draw(tongue.answers)
    events = data.draw(shuffled_events(answer))
    found = gather(read(dialect_of(tongue), *write(dialect_of(tongue), events, answer)))
    told = gather(events)
    if tongue.side_by_side:
        assert compared(found, tongue) == compared(told, tongue)
    else:
        for mine, theirs in zip(found.choices, told.choices, strict=True):
            assert _by_kind(mine.parts) == _by_kind(theirs.parts)


def _by_kind(parts: tuple[Part, ...]) -> Any:
    """What is told, where the order of text, thinking and calls among each other is not kept."""
    text, thinking = (
        "".join(part.text for part in parts if isinstance(part, kind) and part.text) for kind in (Text, Reasoning)
    )
    return text, thinking, sorted(repr(part) for part in parts if not isinstance(part, Text | Reasoning))


@every
@many
@given(data=st.data())
def test_any_cut_of_the_bytes_gives_the_same_events(tongue: Tongue, data: st.DataObject) -> None:
    answer = data.draw(tongue.answers)
    events = data.draw(told_events(answer))
    whole = b"".join(write(dialect_of(tongue), events, answer))
    pieces = cut(whole, data.draw(st.lists(st.integers(0, 10**6), max_size=12)))
    assert read(dialect_of(tongue), *pieces) == read(dialect_of(tongue), whole)


@every
def test_single_bytes_give_the_same_events(tongue: Tongue) -> None:
    events: list[ChatEvent] = [
        Started("id", "model", 7),
        TextDelta("Grüße 🌍\r\n\u2028"),
        Finished("stop"),
        Usage(3, 4),
    ]
    whole = b"".join(write(dialect_of(tongue), events, Answer((), id="id", model="model", created=7)))
    single = [whole[place : place + 1] for place in range(len(whole))]
    assert read(dialect_of(tongue), *single) == read(dialect_of(tongue), whole)


@every
@many
@given(data=st.data())
def test_a_stream_cut_short_never_looks_whole(tongue: Tongue, data: st.DataObject) -> None:
    answer = data.draw(tongue.answers.filter(lambda answer: len(answer.choices) == 1))
    events = data.draw(told_events(answer))
    whole = b"".join(write(dialect_of(tongue), events, answer))
    short = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        found = gather(read(dialect_of(tongue), short))
    except UpstreamFailed:
        return
    assert found.choices == gather(read(dialect_of(tongue), whole)).choices


@every
@many
@given(data=st.data())
def test_a_spoilt_stream_is_a_failure_of_the_provider(tongue: Tongue, data: st.DataObject) -> None:
    answer = data.draw(tongue.answers)
    events = data.draw(told_events(answer))
    spoilt = _spoil(data, b"".join(write(dialect_of(tongue), events, answer)))
    try:
        gather(read(dialect_of(tongue), *cut(spoilt, data.draw(st.lists(st.integers(0, 10**6), max_size=3)))))
    except CorralError as error:
        assert error.message


@every
@many
@given(data=st.data())
def test_each_piece_is_a_whole_number_of_events(tongue: Tongue, data: st.DataObject) -> None:
    answer = data.draw(tongue.answers)
    dialect = dialect_of(tongue)
    pieces = write(dialect, data.draw(told_events(answer)), answer)
    plain = read(dialect, *pieces)
    assert all(piece.endswith(b"\n") for piece in pieces if piece)
    if not dialect.keep_alive:
        return
    assert read(dialect, *(part for piece in pieces for part in (dialect.keep_alive, piece))) == plain


@every
@many
@given(data=st.data())
def test_a_glance_at_an_answer_finds_what_reading_finds(tongue: Tongue, data: st.DataObject) -> None:
    dialect = dialect_of(tongue)
    answer = data.draw(tongue.answers)
    body = dialect.write_answer(answer, about(answer))
    if data.draw(st.booleans()):
        body = _spoil(data, body)
    try:
        expected: Any = dialect.read_answer(body).usage
    except CorralError as error:
        expected = error.message
    try:
        found: Any = dialect.glance(body)
    except CorralError as error:
        found = error.message
    assert found == expected


@every
@many
@given(data=st.data())
def test_events_that_are_only_skimmed_are_those_that_need_no_reading(tongue: Tongue, data: st.DataObject) -> None:
    answer = data.draw(tongue.answers)
    events = data.draw(told_events(answer))
    pieces = write(dialect_of(tongue), events, answer)
    if data.draw(st.booleans()):
        pieces = [_spoil(data, piece) if piece and data.draw(st.integers(0, 9)) == 0 else piece for piece in pieces]
    reader, skimming = dialect_of(tongue).reader(), dialect_of(tongue).reader()
    for event in (event for piece in pieces for event in Splitter(dialect_of(tongue).media_type).feed(piece)):
        skimmed = skimming.skim(event)
        found, raised = _fed(reader, event)
        if skimmed:
            # What is not fed to the other one must change nothing there.
            assert raised is None
            assert [type(one) in (TextDelta, ReasoningDelta) for one in found] == [True] * skimmed
        else:
            assert _fed(skimming, event) == (found, raised)
        if raised is not None:
            break
    assert skimming.done == reader.done


def _fed(reader: EventReader, event: bytes) -> tuple[list[ChatEvent], str | None]:
    try:
        return reader.feed(event), None
    except CorralError as error:
        return [], error.message


@every
@many
@given(data=st.data())
def test_another_writer_takes_a_stream_over(tongue: Tongue, data: st.DataObject) -> None:
    answer = data.draw(tongue.answers)
    events = data.draw(told_events(answer, cut_calls=not tongue.calls_whole))
    end = next(place for place, event in enumerate(events) if isinstance(event, Finished))
    place = data.draw(st.integers(0, end))
    dialect = dialect_of(tongue)
    sent = b"".join(write(dialect, events, answer)[:place])
    second = dialect.writer(about(answer))
    second.resume(sent)
    rest = b"".join([*(second.write(event) for event in events[place:]), second.end()])
    found = gather(read(dialect, sent + rest))
    assert compared(found, tongue) == compared(gather(events), tongue)


@every
@many
@given(data=st.data())
def test_a_failure_within_a_stream_is_told_after_all_that_came_before(tongue: Tongue, data: st.DataObject) -> None:
    answer = data.draw(tongue.answers)
    events = data.draw(told_events(answer, cut_calls=not tongue.calls_whole))
    end = next(place for place, event in enumerate(events) if isinstance(event, Finished))
    place = data.draw(st.integers(0, end))
    dialect = dialect_of(tongue)
    writer = dialect.writer(about(answer))
    sent = [writer.write(event) for event in events[:place]]
    reader = dialect.reader()
    gathering = Gathering()
    failure = _failure(reader, b"".join([*sent, writer.fail(UpstreamFailed("It broke."))]), gathering)
    assert isinstance(failure, CorralError) and "It broke." in failure.message
    assert not reader.done
    before = Gathering()
    for event in events[:place]:
        before.add(event)
    held = tongue.calls_whole or any(isinstance(event, ToolCallDelta) for event in events[:place])
    assert held or _said(gathering) == _said(before)


def _failure(reader: EventReader, data: bytes, gathering: Gathering) -> CorralError | None:
    try:
        for event in reader.feed(data):
            gathering.add(event)
        reader.end()
    except CorralError as error:
        return error
    return None


def _said(gathering: Gathering) -> str:
    return "".join(str(getattr(part, "text", "")) for part in gathering.parts())


# Errors


@every
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("No.", param="temperature"), InvalidRequest),
        (RateLimited("Slowly.", retry_after=3), RateLimited),
        (UpstreamFailed("It broke."), UpstreamFailed),
        (UpstreamOverloaded("Too much."), UpstreamOverloaded),
        (QuotaExhausted("Spent."), (QuotaExhausted, UpstreamFailed)),
        (ContextExceeded("Long.", details={"n_prompt_tokens": 9, "n_ctx": 8}), InvalidRequest),
    ],
)
def test_an_error_comes_back_as_its_kind(tongue: Tongue, error: CorralError, kind: Any) -> None:
    dialect = dialect_of(tongue)
    found = dialect.read_error(error.status, {"retry-after": "3"}, dialect.write_error(error))
    assert isinstance(found, kind)
    if isinstance(found, RateLimited):
        assert found.retry_after == 3


@every
@many
@given(
    status=st.integers(400, 599),
    body=st.binary(max_size=60)
    | st.sampled_from([b"", b"{}", b'{"error":7}', b'{"error":{"message":[]}}', b"[" * 99999]),
)
def test_any_refusal_is_an_error_of_ours(tongue: Tongue, status: int, body: bytes) -> None:
    found = dialect_of(tongue).read_error(status, {}, body)
    assert isinstance(found, CorralError) and found.message


def _spoil(data: st.DataObject, told: bytes) -> bytes:
    """`told` with a byte changed, a stretch left out or doubled, or something put in."""
    place = data.draw(st.integers(0, len(told)))
    stretch = data.draw(st.integers(0, 12))
    kind = data.draw(st.sampled_from(["change", "cut", "double", "insert"]))
    if kind == "cut":
        return told[:place] + told[place + stretch :]
    if kind == "double":
        return told[: place + stretch] + told[place:]
    inserted = data.draw(
        st.binary(min_size=1, max_size=4)
        | st.sampled_from([b"\n\n", b"null", b"{", b'"', b"-1", b"1e999", b"\xef\xbb\xbf"])
    )
    return told[:place] + inserted + told[place + (1 if kind == "change" else 0) :]
