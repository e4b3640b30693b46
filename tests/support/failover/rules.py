"""What holds in every cell, whatever the table says: never a clean end of a cut answer, no token lost or doubled."""

from __future__ import annotations

import json
from typing import Any

from tests.support.failover.cells import Cell
from tests.support.failover.clients import Heard
from tests.support.failover.driving import Outcome
from tests.support.failover.faults import ARGUMENTS, BY_NAME, CUT, TEXT, THOUGHTS, VALUE, WORDS

LOSES_THE_LAST = ("reset",)
"""Failures that take away what was sent a moment before."""


def broken(cell: Cell, outcome: Outcome) -> list[str]:
    """What a cell's outcome breaks; empty when all is well."""
    heard = outcome.heard
    found = list(heard.flaws)
    if heard.end == "open":
        found.append("neither an end nor an error")
    elif heard.end == "clean":
        found += _whole(cell, heard)
    elif heard.end == "refused":
        found += _nothing(heard)
    else:
        found += _begun(cell, heard)
    return found + _mended(cell, heard)


def _whole(cell: Cell, heard: Heard) -> list[str]:
    """A clean end is that of a whole answer, every word of it once."""
    if cell.phase == "tool":
        told = [(name, _parsed(arguments)) for name, arguments in heard.calls.values()]
        wanted = [("weather", ARGUMENTS)]
        return [] if told == wanted and not heard.text else [f"calls {told}, text {heard.text!r}"]
    if cell.phase == "json":
        return [] if _parsed(heard.text) == VALUE and not heard.calls else [f"text {heard.text!r}, calls {heard.calls}"]
    found = [] if heard.text == TEXT else [f"text {heard.text!r}"]
    return found + _thoughts(cell, heard)


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _thoughts(cell: Cell, heard: Heard) -> list[str]:
    """Thinking is told once at most: what came before a cut, or all of it."""
    thought = heard.thought
    if cell.phase != "thinking":
        return [f"thinks {thought!r}"] if thought else []
    return [] if THOUGHTS.startswith(thought.rstrip()) else [f"thinks {thought!r}"]


def _nothing(heard: Heard) -> list[str]:
    """An HTTP error has a status of an error and says something."""
    return [] if heard.status >= 400 and heard.message else [f"status {heard.status}, {heard.message!r}"]


def _begun(cell: Cell, heard: Heard) -> list[str]:
    """An error in the stream comes behind all that was good, and nothing else."""
    found = [] if heard.message else ["an error without a message"]
    if cell.phase == "tool":
        arguments = "".join(arguments for _, arguments in heard.calls.values())
        if not json.dumps(ARGUMENTS, ensure_ascii=False).startswith(arguments):
            found.append(f"arguments {arguments!r}")
        return found
    if cell.phase == "json":
        return (
            found if json.dumps(VALUE, ensure_ascii=False).startswith(heard.text) else [*found, f"text {heard.text!r}"]
        )
    words = WORDS[: CUT[cell.phase]] if cell.phase in ("text", "end", "body") else []
    sent = "".join(words)
    if heard.text != sent and not (cell.fault in LOSES_THE_LAST and sent.startswith(heard.text)):
        found.append(f"text {heard.text!r}, sent was {sent!r}")
    return found + _thoughts(cell, heard)


def _mended(cell: Cell, heard: Heard) -> list[str]:
    """Where somebody can go on the client never learns of the failure, and where only the end is missing neither."""
    fault = BY_NAME[cell.fault]
    late = fault.deadline == "whole" and cell.phase != "start"
    unmended = heard.end != "clean"
    if not unmended or fault.final or late:
        return []
    plain = cell.dialect == "completions" and cell.phase in ("text", "end")
    if cell.company != "alone" and not plain:
        return ["a candidate that is well was there, and the client saw a failure"]
    return []
