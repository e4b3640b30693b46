"""Requests, whole answers and errors of every dialect: what it can say comes back as it was, and what is spoilt says so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corral.dialects.form import ChatRequest, Message, Text, ToolCall, ToolChoice, text_of
from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    InvalidRequest,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
    UpstreamOverloaded,
)
from tests.support.dialect_suite import EXAMPLES, TONGUES, about, compared, dialect_of, every, many, spoil
from tests.support.dialects import Tongue

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
    spoilt = spoil(data, dialect_of(tongue).write_request(request, "model").body)
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
    spoilt = spoil(data, dialect_of(tongue).write_answer(answer, about(answer)))
    try:
        dialect_of(tongue).read_answer(spoilt)
    except CorralError as error:
        assert error.message


@every
@many
@given(data=st.data())
def test_a_glance_at_an_answer_finds_what_reading_finds(tongue: Tongue, data: st.DataObject) -> None:
    dialect = dialect_of(tongue)
    answer = data.draw(tongue.answers)
    body = dialect.write_answer(answer, about(answer))
    if data.draw(st.booleans()):
        body = spoil(data, body)
    try:
        expected: Any = dialect.read_answer(body).usage
    except CorralError as error:
        expected = error.message
    try:
        found: Any = dialect.glance(body)
    except CorralError as error:
        found = error.message
    assert found == expected


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
