"""Streams of every dialect: they come back as they were, however the bytes are cut, and a cut answer never looks whole."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from corral.dialects.form import (
    Answer,
    ChatEvent,
    Finished,
    Part,
    Reasoning,
    ReasoningDelta,
    Started,
    Text,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from corral.dialects.gathering import Gathering, gather
from corral.dialects.ports import Dialect, EventReader
from corral.inference.splitting import Splitter
from corral.kit.errors import CorralError, UpstreamFailed
from tests.support.dialect_suite import about, compared, dialect_of, every, many, spoil
from tests.support.dialects import Tongue, shuffled_events, told_events


def write(dialect: Dialect, events: list[ChatEvent], answer: Answer) -> list[bytes]:
    """The bytes of each event, and of the end."""
    writer = dialect.writer(about(answer))
    return [*(writer.write(event) for event in events), writer.end()]


def read(dialect: Dialect, *chunks: bytes) -> list[ChatEvent]:
    reader = dialect.reader()
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    return [*events, *reader.end()]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


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
    spoilt = spoil(data, b"".join(write(dialect_of(tongue), events, answer)))
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
def test_events_that_are_only_skimmed_are_those_that_need_no_reading(tongue: Tongue, data: st.DataObject) -> None:
    answer = data.draw(tongue.answers)
    events = data.draw(told_events(answer))
    pieces = write(dialect_of(tongue), events, answer)
    if data.draw(st.booleans()):
        pieces = [spoil(data, piece) if piece and data.draw(st.integers(0, 9)) == 0 else piece for piece in pieces]
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
