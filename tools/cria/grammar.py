"""A tiny grammar for wordings: `{a|b|}` chooses one, nests, and `<slot>` is filled from a mapping."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random

_SLOT = re.compile(r"<([a-z_]+)>")


def expand(pattern: str, random: Random, slots: Mapping[str, str] | None = None) -> str:
    """One wording of `pattern`; spaces are tidied. Raises KeyError for an unknown slot, ValueError for a lone brace."""
    text, end = _sequence(pattern, 0, random)
    if end != len(pattern):
        raise ValueError(f"a lone brace or bar in {pattern!r}")
    if slots:
        text = _SLOT.sub(lambda match: slots[match.group(1)], text)
    return re.sub(r" +([,.?!;:])", r"\1", re.sub(r" {2,}", " ", text)).strip()


def _sequence(pattern: str, at: int, random: Random) -> tuple[str, int]:
    parts = []
    while at < len(pattern) and pattern[at] not in "|}":
        if pattern[at] == "{":
            choice, at = _choice(pattern, at + 1, random)
            parts.append(choice)
        else:
            parts.append(pattern[at])
            at += 1
    return "".join(parts), at


def _choice(pattern: str, at: int, random: Random) -> tuple[str, int]:
    options = []
    while True:
        option, at = _sequence(pattern, at, random)
        options.append(option)
        if at >= len(pattern):
            raise ValueError(f"an open brace in {pattern!r}")
        at += 1
        if pattern[at - 1] == "}":
            return random.choice(options), at


_FILLERS = (
    "so",
    "hey",
    "ok",
    "well",
    "um",
    "hmm",
    "please",
    "quick question",
    "hi",
    "and",
    "just wondering",
    "tell me",
)
_ENDINGS = (" please", " thanks", "?", "??", " then", " exactly", " btw", " pls", "!")


def roughen(text: str, random: Random, *, careful: bool = False) -> str:
    """What people do to a sentence: lower case, no punctuation, fillers, slips of the finger.

    `careful` keeps every word as it is (but for its case), for sentences whose words are asked for later.
    """
    roll = random.random()
    if roll < 0.35:
        text = text[0].lower() + text[1:]
    elif roll < 0.5:
        text = text.lower()
    elif roll < 0.53 and not careful:
        text = text.upper()
    if random.random() < 0.4:
        text = text.rstrip(".?!")
    if random.random() < 0.12:
        text = f"{random.choice(_FILLERS)}{random.choice((', ', ' '))}{text}"
        if random.random() < 0.5:
            text = text[0].upper() + text[1:]
    if random.random() < 0.06:
        text = text.rstrip("?.!") + random.choice(_ENDINGS)
    if not careful and random.random() < 0.07:
        text = slip(text, random)
    if random.random() < 0.06:
        text = text.replace("'", "")
    return text or "?"


def slip(text: str, random: Random) -> str:
    """One slip of the finger inside a longer word: swap, drop or double a letter."""
    places = list(re.finditer(r"[a-z]{5,}", text))
    if not places:
        return text
    word = random.choice(places)
    at = random.randrange(word.start() + 1, word.end() - 1)
    kind = random.randrange(3)
    if kind == 0:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if kind == 1:
        return text[:at] + text[at + 1 :]
    return text[:at] + text[at] + text[at:]
