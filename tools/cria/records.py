"""Records: sentences, notes and orders that hold values under keys, and the same as JSON.

A record (records/*.txt) is a line with values as `<key:type>`; other names of the same key may stand before the
colon, parted by bars. Any of the keys may be asked for, in any order.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from random import Random

from tools.cria import kinds, structured, words
from tools.cria.book import Book
from tools.cria.grammar import expand

FOLDER = Path(__file__).with_name("records")
_SLOT = re.compile(r"<([\w|]+):(\w+)>")


def read(folder: Path = FOLDER) -> list[str]:
    """All records of a folder."""
    lines = (line.strip() for path in sorted(folder.glob("*.txt")) for line in path.read_text("utf-8").splitlines())
    return [line for line in lines if line]


@cache
def _all() -> list[str]:
    return read()


def draw(random: Random) -> tuple[str, dict[str, object]]:
    """What any record says with values at random, and the values by key, each under one of its names."""
    return play(random.choice(_all()), random)


def play(record: str, random: Random) -> tuple[str, dict[str, object]]:
    """What a record says with values at random, and the values by key, each under one of its names."""
    values: dict[str, object] = {}

    def fill(found: re.Match[str]) -> str:
        names = found[1].split("|")
        key = _renamed(names[0] if random.random() < 0.6 else random.choice(names), random)
        if key in values:  # another key was renamed to this one
            key = names[0]
        shown, values[key] = _value(found[2], random)
        return shown

    # The bars of the keys are no choice of the grammar's.
    hidden = _SLOT.sub(lambda found: f"<{found[1].replace('|', ';')}:{found[2]}>", record)
    text = expand(hidden, random)
    text = _SLOT.sub(fill, re.sub(r"<[\w;]+:", lambda found: found[0].replace(";", "|"), text))
    return text, values


def _value(kind: str, random: Random) -> tuple[str, object]:
    """(as the sentence has it, as JSON has it)."""
    if kind in ("price", "decimal"):
        if random.random() < (0.25 if kind == "price" else 0.8):
            cents = random.choice((25, 75, 95, 99, 49, 50, 20)) if kind == "price" else random.randint(1, 9) * 10
            price = random.randint(0, 99) + cents / 100
            return f"{price:.2f}" if kind == "price" else f"{price:.1f}", price
        return str(price := random.choice((random.randint(1, 99), random.randint(1, 999)))), price
    if kind in ("number", "small", "year", "count"):
        most = {"number": (1, 99), "small": (1, 12), "year": (1940, 2030), "count": (1, random.choice((30, 400, 9999)))}
        number = random.randint(*most[kind])
        return words.number_text(number, random) if kind != "year" else str(number), number
    while True:
        shown = kinds.value(kind, random)
        # Bare digits might be meant as a number.
        if kind not in ("code", "phone") or not shown.isdigit():
            return shown, shown


_MORE = ("name", "id", "no", "text", "value", "type", "1", "2", "a", "b", "of_order", "code", "info", "label")
_BEFORE = ("the", "new", "main", "first", "last", "order", "my", "user", "item", "full")


def _renamed(key: str, random: Random) -> str:
    """A key as programs write it in their own manner, so that keys are copied from the request."""
    roll = random.random()
    if roll < 0.8:
        return key
    if roll < 0.93:
        parts = [key, random.choice(_MORE)] if random.random() < 0.6 else [random.choice(_BEFORE), key]
        if random.random() < 0.7:
            return "_".join(parts)
        first, *rest = "_".join(parts).split("_")
        return first + "".join(part.capitalize() for part in rest)
    return key.upper() if roll < 0.94 else key.capitalize() if roll < 0.97 else f"{key}{random.choice('sz12xyn')}"


def some(values: dict[str, object], random: Random) -> list[str]:
    """One to four of the keys in any order, or all in the order of the sentence."""
    keys = list(values)
    if random.random() < 0.15:
        return keys
    return random.sample(keys, min(len(keys), random.choice((1, 2, 2, 3, 3, 4))))


def as_json(values: dict[str, object], keys: list[str]) -> str:
    """The JSON of `keys`."""
    return structured.dump({key: values[key] for key in keys})


def asked(book: Book, random: Random) -> tuple[str, str]:
    """One message that names the keys and holds the record, and the JSON."""
    said, values = draw(random)
    keys = some(values, random)
    if random.random() < 0.25:
        text = book.say("json.extract.shape", random, s=said, shape=structured.shape(keys, random, numbers(values)))
    else:
        text = book.say("json.extract", random, s=said, keys=structured.listed(keys, random))
    return text, as_json(values, keys)


def numbers(values: dict[str, object]) -> list[str]:
    """The keys whose values are numbers in JSON."""
    return [key for key, value in values.items() if not isinstance(value, str)]


def system(keys: list[str], values: dict[str, object], book: Book, random: Random) -> str:
    """A system message that asks for JSON with `keys`."""
    return book.say(
        "json.system.keys",
        random,
        keys=structured.listed(keys, random),
        shape=structured.shape(keys, random, numbers(values)),
    )
