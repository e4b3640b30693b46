"""Claude Code's billing line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corral.dialects.anthropic import DIALECT, has_billing_line, normalise_prefix
from corral.dialects.form import text_message

HI = (text_message("user", "hi"),)


def request(**fields: Any) -> bytes:
    return json.dumps(
        {"model": "c", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **fields}
    ).encode()


BILLING = "x-anthropic-billing-header: cc_version=2.1.37.0d9; cc_entrypoint=cli; cch={};"


@pytest.mark.parametrize(
    "systems",
    [
        [
            [{"type": "text", "text": BILLING.format(cch)}, {"type": "text", "text": "You are Claude Code."}]
            for cch in ("fa690", "00d1e")
        ],
        [BILLING.format(cch) + "\nYou are Claude Code." for cch in ("fa690", "00d1e")],
    ],
)
def test_the_billing_line_does_not_change_the_prefix(systems: list[Any]) -> None:
    bodies = [request(system=system) for system in systems]
    assert all(has_billing_line(body) for body in bodies)
    first, second = (normalise_prefix(DIALECT.read_request(body)) for body in bodies)
    assert first == second
    assert first.messages[0] == text_message("system", "You are Claude Code.")


def test_a_billing_line_alone_leaves_no_instructions_and_other_text_is_untouched() -> None:
    alone = DIALECT.read_request(request(system=BILLING.format("1")))
    assert normalise_prefix(alone).messages == HI
    spoken = DIALECT.read_request(
        request(system="be kind", messages=[{"role": "user", "content": BILLING.format("1")}])
    )
    assert normalise_prefix(spoken) is spoken
    assert not has_billing_line(request())
