"""The checkers themselves: a good history passes, and each kind of bad one is told."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults import checkers
from tests.faults.checkers import History, Send, Stop, Stored


def good() -> tuple[History, Stored]:
    events = [
        {"offset": 0, "turnId": "t", "type": "accepted", "agentId": "a", "seq": 2},
        {"offset": 1, "turnId": "t", "type": "token", "text": "hé"},
        {"offset": 2, "turnId": "t", "type": "token", "text": "llo"},
        {"offset": 3, "turnId": "t", "type": "end", "state": "completed", "messageCount": 3},
    ]
    message: dict[str, Any] = {"agent_id": "a", "state": "completed", "turn_id": "t"}
    stored = Stored(
        [{"id": "a", "user_id": "ann", "last_seq": 3}],
        [{"id": "t", "agent_id": "a", "state": "completed", "next_offset": 4, "client_key": "k", "user_seq": 2}],
        [
            {**message, "seq": 1, "role": "system", "content": "", "turn_id": None},
            {**message, "seq": 2, "role": "user", "content": "hi"},
            {**message, "seq": 3, "role": "assistant", "content": "héllo"},
        ],
        {"t": events},
    )
    history = History([Send("ann", "k", "hi", "a", "t")], [Stop("t", 4)], [("t", list(events[1:3]))], fences=[1, 2])
    return history, stored


def test_a_good_history_has_no_complaints() -> None:
    assert checkers.check_all(*good()) == []


BAD: dict[str, Callable[[History, Any], Any]] = {
    "a missing offset": lambda _, s: s.events["t"].pop(1),
    "a missing message": lambda _, s: s.messages.pop(1),
    "a lost acknowledgement": lambda h, _: h.sends.append(Send("ann", "k2", "more", "a", "t2")),
    "another text": lambda _, s: s.messages[1].update(content="other"),
    "two turns for a key": lambda _, s: s.turns.append({**s.turns[0], "id": "u"}),
    "two acknowledgements": lambda h, _: h.sends.append(Send("ann", "k", "hi", "a", "u")),
    "a token that is not in the log": lambda h, _: h.seen[0][1].append({"offset": 3, "type": "token", "text": "!"}),
    "a token twice": lambda h, _: h.seen[0][1].append(h.seen[0][1][-1]),
    "no end": lambda _, s: s.events["t"].pop(),
    "two ends": lambda _, s: s.events["t"].append({**s.events["t"][-1], "offset": 4}),
    "still running": lambda _, s: s.turns[0].update(state="running"),
    "another end": lambda _, s: s.events["t"][-1].update(state="failed"),
    "more after a stop": lambda h, _: h.stops.append(Stop("t", 3)),
    "a fence that fell": lambda h, _: h.fences.append(2),
    "state that is not the log": lambda _, s: s.messages[2].update(content="hello"),
    "two questions running": lambda _, s: s.messages[2].update(role="user"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_is_told(name: str) -> None:
    history, stored = copy.deepcopy(good())
    BAD[name](history, stored)
    assert checkers.check_all(history, stored), name


def test_a_wrong_answer_is_told() -> None:
    _, stored = good()
    assert checkers.answers_are(stored, {"t": "héllo"}) == []
    assert checkers.answers_are(stored, {"t": "hello"})
