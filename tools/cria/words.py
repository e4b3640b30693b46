"""Names, places and things that the corpus talks about: real ones (words.txt) and made-up ones, so that copying is learnt."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random


def _read(path: Path) -> dict[str, list[str]]:
    """The words of each `[section]`; places are a line each."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line[1:-1]
        elif line:
            found.setdefault(section, []).extend([line] if section == "places" else line.split())
    return found


def _words_of_wordings(folder: Path) -> list[str]:
    """Every lower-case word of 3 to 12 letters that users' wordings hold: some thousands of real words."""
    texts = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*/*.txt")))
    return sorted(set(re.findall(r"\b[a-z]{3,12}\b", texts)))


_WORDS = _read(Path(__file__).with_name("words.txt"))
NAMES, CITIES, JOBS, COLOURS = (_WORDS[name] for name in ("names", "cities", "jobs", "colours"))
ANIMALS, RELATIVES, FOODS, HOBBIES = (_WORDS[name] for name in ("animals", "relatives", "foods", "hobbies"))
THINGS, PLACES, DAYS, MONTHS = (_WORDS[name] for name in ("things", "places", "days", "months"))
ONES = _WORDS["ones"]
TITLES = ("Captain", "Mister", "Miss", "Lady", "Old", "Little", "Doctor", "Sir", "Big", "Aunt", "King", "Mrs", "Mr")
CITY_HEADS = ("New", "San", "Saint", "Port", "Bad", "Los", "El", "North", "South", "Fort")
COMMON = _WORDS["common"] + _words_of_wordings(Path(__file__).with_name("wordings"))
LONG = [one for one in COMMON if len(one) > 5]
ACCENTED = _WORDS["accented"]
_ONSETS, _VOWELS, _CODAS = (_WORDS[name] for name in ("onsets", "vowels", "codas"))


def made_up(random: Random) -> str:
    """A lower-case word that may not exist, of 2 to 12 letters; most have two or three syllables, as names do."""
    syllables = random.choices((1, 2, 3, 4), (2, 6, 4, 1))[0]
    word = ""
    for _ in range(syllables):
        word += random.choice(_ONSETS) if random.random() < 0.9 or word else ""
        word += random.choice(_VOWELS)
        word += random.choice(_CODAS) if random.random() < 0.45 else ""
    if random.random() < 0.04:
        word = "".join(random.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(random.randint(2, 8)))
    return word[:12] if len(word) > 1 else word + "n"


def _chain(real: list[str]) -> dict[str, str]:
    """Which letters follow each two in `real`; "^" begins a word and "$" ends it."""
    found: dict[str, str] = {}
    for one in real:
        padded = f"^^{one.lower()}$"
        for place in range(2, len(padded)):
            found[padded[place - 2 : place]] = found.get(padded[place - 2 : place], "") + padded[place]
    return found


_NAME_CHAIN, _WORD_CHAIN = _chain(NAMES + CITIES), _chain(COMMON)


def blended(random: Random, chain: dict[str, str]) -> str:
    """A lower-case word of 3 to 12 letters that sounds like those of the chain."""
    while True:
        text = "^^"
        while len(text) < 15 and (letter := random.choice(chain[text[-2:]])) != "$":
            text += letter
        if 3 <= len(text) - 2 <= 12 and text.isascii():
            return text[2:]


def name(random: Random) -> str:
    """A given name, often a made-up one."""
    roll = random.random()
    if roll < 0.04:
        return random.choice(ACCENTED)
    if roll < 0.37:
        return random.choice(NAMES)
    return (blended(random, _NAME_CHAIN) if roll < 0.75 else made_up(random)).capitalize()


def full_name(random: Random) -> str:
    """A name, now and then of two words or with a hyphen."""
    roll = random.random()
    if roll < 0.85:
        return name(random)
    if roll < 0.88:
        return f"{name(random)}-{name(random)}"
    first = random.choice(TITLES) if roll < 0.93 else name(random)
    return f"{first} {made_up(random).capitalize() if roll < 0.97 else name(random)}"


def city(random: Random) -> str:
    """A city, sometimes a made-up one."""
    if random.random() < 0.06:
        return f"{random.choice(CITY_HEADS)} {made_up(random).capitalize()}"
    roll = random.random()
    if roll < 0.4:
        return random.choice(CITIES)
    return (blended(random, _NAME_CHAIN) if roll < 0.75 else made_up(random)).capitalize()


def code(random: Random) -> str:
    """Something like a code: digits, perhaps with leading noughts, or a word and a digit."""
    roll = random.random()
    if roll < 0.55:
        return "".join(random.choices("0123456789", k=random.choice((1, 2, 3, 4, 4, 5))))
    if roll < 0.8:
        return f"{word(random).capitalize()} {random.randint(1, 99)}"
    return f"{random.choice('ABCDEFGHJKLMNPRSTUVWXYZ')}{random.randint(1, 999)}"


def hour(random: Random) -> str:
    """A time of day, as people say it."""
    clock = random.randint(1, 12)
    return random.choice((
        f"at {clock}", f"at {ONES[clock]}", "at noon", "at midnight", f"at {clock}:{random.choice(('15', '30', '45'))}",
        f"at half past {ONES[clock]}", f"at {clock} pm", f"on {random.choice(DAYS)} at {clock}", "tomorrow", "tonight",
    ))  # fmt: skip


def place(random: Random) -> str:
    """Where a thing may lie."""
    if random.random() < 0.3:
        return random.choice(PLACES)
    side = random.choice(("in", "on", "under", "behind", "next to", "near", "inside", "below"))
    what = f"{word(random)} {random.choice(THINGS)}" if random.random() < 0.6 else random.choice(THINGS)
    return f"{side} the {what}"


def word(random: Random) -> str:
    """Any lower-case word."""
    roll = random.random()
    if roll < 0.5:
        return random.choice(COMMON)
    return blended(random, _WORD_CHAIN) if roll < 0.8 else made_up(random)


def pick(real: list[str], random: Random, share: float = 0.6) -> str:
    """One of `real`, else a made-up word."""
    return random.choice(real) if random.random() < share else made_up(random)


def number_text(value: int, random: Random) -> str:
    """A number from 0 to 20 in digits, sometimes in words."""
    return ONES[value] if 0 <= value <= 20 and random.random() < 0.3 else str(value)
