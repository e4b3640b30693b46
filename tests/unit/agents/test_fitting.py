"""Which messages are shown when not all of them fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.agents.fitting import shortened
from corral.dialects.form import ChatRequest, Message, text_message, text_of


def chat(exchanges: int, *, system: bool = True, size: int = 100) -> tuple[Message, ...]:
    """A conversation that ends with a question."""
    said = [text_message("system", "Be brief.")] if system else []
    for number in range(exchanges):
        said += [
            text_message("user", f"{number} " * (size // 2)),
            text_message("assistant", f"a{number} " * (size // 3)),
        ]
    return (*said, text_message("user", "And now?"))


@pytest.mark.parametrize(("tokens", "context", "left_out"), [(1200, 1024, 8), (4000, 1024, 18), (100_000, 1024, 20)])
def test_the_oldest_are_left_out(tokens: int, context: int, left_out: int) -> None:
    request = ChatRequest("m", chat(10))
    shorter, missing = shortened(request, {"n_prompt_tokens": tokens, "n_ctx": context})
    assert missing == left_out
    assert shorter.messages == (request.messages[0], *request.messages[1 + left_out :])


def test_half_is_shown_at_most_when_the_numbers_are_unknown() -> None:
    assert shortened(ChatRequest("m", chat(10)), None)[1] == 12


def test_an_answer_that_goes_on_keeps_its_question() -> None:
    request = ChatRequest("m", (*chat(3), text_message("assistant", "So far")), continues=True)
    shorter, _ = shortened(request, {"n_prompt_tokens": 9000, "n_ctx": 100})
    assert [text_of(one) for one in shorter.messages] == ["Be brief.", "And now?", "So far"]
    assert shorter.continues


def test_one_message_that_is_too_long_stays() -> None:
    request = ChatRequest("m", chat(0))
    assert shortened(request, {"n_prompt_tokens": 9000, "n_ctx": 100}) == (request, 0)


@given(st.integers(0, 30), st.booleans(), st.integers(1, 400), st.integers(1, 20_000), st.integers(1, 20_000))
def test_what_is_shown_is_the_end_and_begins_with_the_user(
    exchanges: int, system: bool, size: int, tokens: int, context: int
) -> None:
    messages = chat(exchanges, system=system, size=size)
    shorter, missing = shortened(ChatRequest("m", messages), {"n_prompt_tokens": tokens, "n_ctx": context})
    shown = shorter.messages
    assert len(shown) + missing == len(messages)
    rest = shown[1:] if system else shown
    assert rest[0].role == "user"
    assert messages[-len(rest) :] == rest
    if tokens > context:
        assert missing > 0 or exchanges == 0
