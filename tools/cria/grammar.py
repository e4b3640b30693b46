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
_SHORT = (
    ("you are", "ur"), ("are you", "r u"), ("you", "u"), ("your", "ur"), ("what is", "whats"), ("please", "pls"),
    ("because", "cuz"), ("do not", "dont"), ("cannot", "cant"), ("want to", "wanna"), ("going to", "gonna"), ("to", "2"),
    ("what's", "whats"), ("how is", "hows"), ("thanks", "thx"), ("people", "ppl"), ("for", "4"), ("and", "n"),
)  # fmt: skip
_BEFORE = (
    "I am new here.", "One question.", "Sorry to bother you.", "I just started.", "Maybe a silly question, but",
    "Before I forget,", "I wonder,", "Let me ask you this:", "My friend wants to know:", "Another thing.", "Next question:",
    "I was thinking,", "Oh, and", "One more thing:", "Say,", "Listen,", "Right,", "Okay so", "Alright,", "Now,",
)  # fmt: skip
_ENDINGS = (" please", " thanks", "?", "??", " then", " exactly", " btw", " pls", "!")


def roughen(text: str, random: Random, *, careful: bool = False) -> str:
    """What people do to a sentence: lower case, no punctuation, fillers, slips of the finger.

    `careful` keeps every word as it is (but for its case), for sentences whose words are asked for later.
    """
    if not careful:
        text = _chatty(text, random)
    text = _cased(text, random, shouted=not careful)
    if random.random() < 0.4:
        text = text.rstrip(".?!")
    if random.random() < 0.12:
        text = f"{random.choice(_FILLERS)}{random.choice((', ', ' '))}{text}"
        if random.random() < 0.5:
            text = text[0].upper() + text[1:]
    if random.random() < 0.06:
        text = text.rstrip("?.!") + random.choice(_ENDINGS)
    if not careful and random.random() < 0.14:
        text = slip(text, random)
    if random.random() < 0.06:
        text = text.replace("'", "")
    return text or "?"


def _cased(text: str, random: Random, *, shouted: bool) -> str:
    """Lower case, as people write in haste; seldom capitals."""
    roll = random.random()
    if roll < 0.35:
        return text[0].lower() + text[1:]
    if roll < 0.5:
        return text.lower()
    return text.upper() if shouted and roll < 0.53 else text


def _chatty(text: str, random: Random) -> str:
    """Now and then: a sentence before it, a lost word, or the spelling of short messages."""
    if random.random() < 0.05:
        text = f"{random.choice(_BEFORE)} {text}"
    if random.random() < 0.06:
        parts = text.split(" ")
        if len(parts) > 4:
            del parts[random.randrange(len(parts))]
            text = " ".join(parts)
    if random.random() < 0.06:
        for long, short in random.sample(_SHORT, 9):
            text = re.sub(rf"\b{long}\b", short, text)
    return text or "?"


def slip(text: str, random: Random) -> str:
    """One slip of the finger inside a longer word: swap, drop or double a letter."""
    places = list(re.finditer(r"[a-z]{4,}", text))
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
