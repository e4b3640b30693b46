"""The held-out questions, worded apart from the generator, and how an answer is marked.

Each item (heldout/*.jsonl) names its check: `contains` (all of these), `any` (one of these), `not` (none of these),
`equals`, `json` (the answer is one JSON object equal to this) or `tool` (a call with this name and these arguments).
Case does not matter, except in JSON and calls.

There are two sets. `heldout/` has served since the first training, and those who improved the generator have read which
of its questions were answered wrongly. `fresh/` is looked at in sums alone: whoever reads its questions can no longer
change the generator.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HELDOUT, FRESH = (Path(__file__).parent / name for name in ("heldout", "fresh"))


@dataclass(frozen=True)
class Item:
    """One question: its id, its skill, the conversation up to it, the tools offered and the check."""

    id: str
    skill: str
    chat: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    check: dict[str, Any]


@dataclass(frozen=True)
class Result:
    """What the model answered, and why that is wrong, if it is."""

    item: Item
    answer: str
    wrong: str


def tool(name: str, argument: str) -> dict[str, Any]:
    """A tool with one parameter, as requests offer it."""
    parameters = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}


def items(skill: str = "*", folder: Path = HELDOUT) -> Iterator[Item]:
    """The single questions of a skill, or of all, of one set."""
    for path in sorted(folder.glob(f"{skill}.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            found = json.loads(line)
            if "turns" not in found:
                offered = [tool(one["name"], one["argument"]) for one in found.get("tools", ())]
                skill = "recall far back" if found.get("long") else found["skill"]
                yield Item(found["id"], skill, found["chat"], offered, found["check"])


def plain(text: str) -> str:
    """A text without case, punctuation and spare spaces: what makes two questions the same."""
    return " ".join(re.sub(r"[?.!,;:'\"]", "", text.lower()).split())


@cache
def alone() -> frozenset[str]:
    """The questions that are whole conversations, `plain`: what training must not hold."""
    return frozenset(
        plain(item.chat[0]["content"])
        for folder in (HELDOUT, FRESH)
        for item in items(folder=folder)
        if len(item.chat) == 1
    )


def stories(folder: Path = HELDOUT) -> Iterator[dict[str, Any]]:
    """The newcomers' chats of one set: each a list of turns with what to say and the check."""
    for line in (folder / "first_run.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def fault(check: dict[str, Any], text: str, calls: list[dict[str, Any]]) -> str:
    """Why an answer fails its check; empty when it passes."""
    if "tool" in check:
        return _call_fault(check["tool"], calls)
    if calls:
        return "called a tool"
    if "json" in check:
        return _json_fault(check["json"], text)
    return _text_fault(check, text.lower())


def _text_fault(check: dict[str, Any], low: str) -> str:
    if "equals" in check and low.strip() != check["equals"].lower():
        return "not equal"
    lacking = [wanted for wanted in check.get("contains", ()) if wanted.lower() not in low]
    if lacking:
        return f"lacks {lacking[0]!r}"
    if "any" in check and not any(wanted.lower() in low for wanted in check["any"]):
        return "lacks all of them"
    unwanted = [one for one in check.get("not", ()) if one.lower() in low]
    return f"has {unwanted[0]!r}" if unwanted else ""


def _call_fault(wanted: dict[str, Any], calls: list[dict[str, Any]]) -> str:
    if len(calls) != 1:
        return f"{len(calls)} calls"
    name, arguments = calls[0]["function"]["name"], calls[0]["function"]["arguments"]
    try:
        made = {"name": name, "arguments": json.loads(arguments)}
    except ValueError:
        return f"called {name} with {arguments}"
    return "" if made == wanted else f"called {made}"


def _json_fault(wanted: dict[str, Any], text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return "no JSON"
    if value == wanted:
        return ""
    return "wrong value" if isinstance(value, dict) and value.keys() == wanted.keys() else "wrong keys"
