"""The register of intents, envelopes and the memory of lost sockets."""

from __future__ import annotations

from typing import Any, cast

import pytest

from corral.accounts.types import Permission
from corral.kit.errors import InvalidRequest
from corral.realtime import envelope
from corral.realtime.connection import Connection, Following
from corral.realtime.intents import Intents, Nothing
from corral.realtime.recovery import Recovery
from tests.support.clock import ManualClock


async def _nothing(_: Connection, __: Nothing) -> None:
    return None


def test_an_intent_without_permission_cannot_be_registered() -> None:
    with pytest.raises(TypeError):
        Intents().add("x:y", cast("Permission", None), Nothing, _nothing)


def test_an_intent_cannot_be_registered_twice() -> None:
    intents = Intents()
    intents.add("x:y", Permission.STATUS, Nothing, _nothing)
    with pytest.raises(ValueError, match="twice"):
        intents.add("x:y", Permission.STATUS, Nothing, _nothing)


@pytest.mark.parametrize("payload", ["text", 3, [], {"data": []}, {"requestId": 7}, {"requestId": "x" * 81}])
def test_bad_payloads_are_refused(payload: Any) -> None:
    with pytest.raises(InvalidRequest):
        envelope.parse(payload)


async def test_a_session_is_kept_for_a_while_for_its_user_and_once() -> None:
    clock = ManualClock()
    recovery = Recovery(clock, 120)
    followed = Following("agt_1", "trn_1", 3)
    recovery.keep("s", "ann", [followed])
    assert recovery.take("s", "bob", None) is None
    assert recovery.take("s", "ann", {"trn_1": 9}) == (Following("agt_1", "trn_1", 9),)
    assert recovery.take("s", "ann", None) is None
    recovery.keep("t", "ann", [followed])
    await clock.advance(121)
    assert recovery.take("t", "ann", None) is None
