"""Values of every type that the slots of scenes and records name, each drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from tools.cria import words


def _read(path: Path) -> dict[str, list[str]]:
    """The values of each `[section]`, parted by bars."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in filter(None, path.read_text(encoding="utf-8").splitlines()):
        if line.startswith("["):
            section = line[1:-1]
        else:
            found.setdefault(section, []).extend(line.split("|"))
    return found


LISTS = _read(Path(__file__).with_name("kinds.txt"))
NUMBERS = frozenset({"number", "small", "count", "year"})
"""The types whose values are numbers in JSON."""
LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


def value(kind: str, random: Random) -> str:
    """A value of a type that slots name. Raises KeyError for an unknown type."""
    return KINDS[kind](random)


def _any(section: str, share: float = 0.8) -> Callable[[Random], str]:
    """One of a list, else something of its look that may not exist: lists alone would be learnt by heart."""

    def drawn(random: Random) -> str:
        if random.random() < share:
            return random.choice(LISTS[section])
        other = words.word(random)
        return other.capitalize() if LISTS[section][0][0].isupper() else other

    return drawn


def _surname(random: Random) -> str:
    return words.made_up(random).capitalize() if random.random() < 0.3 else words.name(random)


def _name(random: Random) -> str:
    return words.name(random) if random.random() < 0.93 else _full_name(random)


def _full_name(random: Random) -> str:
    middle = f" {random.choice(LETTERS)}." if random.random() < 0.05 else ""
    return f"{words.name(random)}{middle} {_surname(random)}"


def _person(random: Random) -> str:
    """Somebody as others speak of them: with a title."""
    if random.random() < 0.25:
        return f"{random.choice(LISTS['kin'])} {words.name(random)}"
    return f"{random.choice(LISTS['honorifics'])} {_surname(random)}"


def _street(random: Random) -> str:
    root = random.choice(LISTS["roots"]) if random.random() < 0.6 else _surname(random)
    return f"{root} {random.choice(LISTS['roads'])}"


def _address(random: Random) -> str:
    return f"{random.randint(1, 199)}{random.choice(('', '', '', '', 'a', 'b'))} {_street(random)}"


def _company(random: Random) -> str:
    roll = random.random()
    if roll < 0.5:
        return _surname(random)
    if roll < 0.65:
        return f"{_surname(random)} & {random.choice(LISTS['tails']) if roll < 0.6 else _surname(random)}"
    if roll < 0.8:
        return f"{random.choice(LISTS['firms'])} {_surname(random)}"
    return f"{_surname(random)} {random.choice(LISTS['trades'])}"


def _title(random: Random) -> str:
    noun = random.choice(LISTS["nouns"]) if random.random() < 0.6 else words.word(random).capitalize()
    roll = random.random()
    if roll < 0.35:
        return noun
    adjective = random.choice(LISTS["adjectives"]) if random.random() < 0.6 else words.word(random).capitalize()
    if roll < 0.65:
        return f"{adjective} {noun}"
    return f"The {noun}" if roll < 0.8 else f"The {adjective} {noun}"


def _amount(random: Random) -> str:
    much = random.choice((random.randint(1, 99), random.randint(1, 40) * 10, random.randint(1, 999)))
    return f"${much}" if random.random() < 0.25 else f"{much} {random.choice(LISTS['money'])}"


def _measure(random: Random) -> str:
    much = str(random.choice((random.randint(1, 20), random.randint(1, 400))))
    if random.random() < 0.15:
        much = f"{random.randint(0, 20)}.{random.randint(1, 9)}"
    return f"{much}{random.choice((' ', ' ', ' ', ''))}{random.choice(LISTS['units'])}"


def _span(random: Random) -> str:
    return f"{words.number_text(random.randint(2, 60), random)} {random.choice(LISTS['spans'])}"


def _date(random: Random) -> str:
    month, day = random.choice(words.MONTHS), random.randint(1, 28)
    ordinal = f"{day}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(day if day < 20 else day % 10, 'th') }"
    return random.choice(
        (f"{month} {day}",) * 3
        + (f"{day} {month}",) * 3
        + (f"the {ordinal} of {month}", f"{month} {ordinal}", f"{ordinal} {month}")
    )


def _clock(random: Random) -> str:
    roll = random.random()
    if roll < 0.1:
        return random.choice(("noon", "midnight"))
    if roll < 0.2:
        return f"{random.choice(('half past', 'quarter past', 'quarter to', 'ten to'))} {words.ONES[random.randint(1, 12)]}"
    hour, minutes = random.randint(1, 23), f"{random.randrange(0, 60, 5):02}"
    if random.random() < 0.2:
        return f"{hour:02}:{minutes}"
    return random.choice((f"{hour}:{minutes}", f"{hour}:{minutes}", f"{hour % 12 or 12} {random.choice(('am', 'pm'))}"))


def _code(random: Random) -> str:
    roll = random.random()
    if roll < 0.75:
        return words.code(random)
    letters = "".join(random.choices(LETTERS, k=random.randint(1, 3)))
    digits = "".join(random.choices("0123456789", k=random.randint(2, 5)))
    return random.choice(
        (
            f"{letters}{digits}",
            f"{letters}-{digits}",
            f"{letters} {digits}",
            f"{digits}{letters}",
            f"{digits}-{digits[::-1]}",
        )
    )


def _plate(random: Random) -> str:
    def some(pool: str, most: int) -> str:
        return "".join(random.choices(pool, k=random.randint(2, most)))

    return random.choice(
        (f"{some(LETTERS, 2)}{some('0123456789', 2)} {some(LETTERS, 3)}", f"{some(LETTERS, 3)} {some('0123456789', 4)}")
    )


def _phone(random: Random) -> str:
    digits = "".join(random.choices("0123456789", k=8))
    return random.choice(
        (
            f"0{digits[:3]} {digits[3:7]}",
            f"0{digits[:2]} {digits[2:5]} {digits[5:]}",
            f"555-{digits[:4]}",
            f"{digits[:6]}",
        )
    )


def _email(random: Random) -> str:
    user = words.name(random).lower()
    if random.random() < 0.4:
        user += random.choice((".", "_", "")) + _surname(random).lower()
    host = random.choice(LISTS["mails"]) if random.random() < 0.5 else words.made_up(random)
    return f"{user}@{host}.{random.choice(('com', 'org', 'net', 'example', 'de', 'uk'))}"


def _login(random: Random) -> str:
    return f"{words.word(random)}{random.choice(('', '', '-', '_'))}{random.randint(1, 99)}"


def _version(random: Random) -> str:
    return ".".join(str(random.randint(0, 20)) for _ in range(random.choice((2, 3, 3))))


def _deed(random: Random) -> str:
    verb = random.choice(LISTS["verbs"]) if random.random() < 0.8 else words.word(random)
    what = random.choice(LISTS["objects"]) if random.random() < 0.7 else words.word(random)
    return f"{verb} {random.choice(('the', 'the', 'my', 'our', 'some'))} {what}"


def _thing(random: Random) -> str:
    thing = words.pick(words.THINGS, random, 0.8)
    if random.random() < 0.12:
        return f"{words.pick(words.COLOURS, random, 0.8) if random.random() < 0.6 else words.word(random)} {thing}"
    return thing


def _phrase(random: Random) -> str:
    return " ".join(words.word(random) for _ in range(random.choice((2, 2, 3))))


def _city(random: Random) -> str:
    city = words.city(random)
    return f"{city} {random.choice(LISTS['parts'])}" if random.random() < 0.03 else city


KINDS: dict[str, Callable[[Random], str]] = {
    "name": _name, "fullname": _full_name, "person": _person, "city": _city, "country": _any("countries", 0.85),
    "street": _street, "address": _address, "company": _company, "title": _title,
    "brand": _surname, "amount": _amount, "measure": _measure, "span": _span,
    "count": lambda random: str(random.choice((random.randint(1, 30), random.randint(1, 400)))),
    "sport": _any("sports"), "instrument": _any("instruments"), "subject": _any("subjects"),
    "language": _any("languages", 0.85), "drink": _any("drinks"), "dish": _any("dishes"), "plant": _any("plants"),
    "clothes": _any("clothes"), "material": _any("materials"), "vehicle": _any("vehicles"), "shop": _any("shops"),
    "plate": _plate, "phone": _phone, "email": _email, "login": _login, "version": _version,
    "trait": _any("traits", 1.0), "deed": _deed, "group": _any("groups", 1.0), "weather": _any("weather", 0.85),
    "level": _any("levels", 0.9), "size": _any("sizes", 1.0), "status": _any("statuses", 0.9),
    "zip": lambda random: "".join(random.choices("0123456789", k=5)),
    "code": _code, "time": _clock, "place": words.place, "word": words.word, "phrase": _phrase,
    "number": lambda random: words.number_text(random.randint(1, 99), random),
    "small": lambda random: words.number_text(random.randint(1, 12), random),
    "year": lambda random: str(random.randint(1940, 2030)),
    "date": _date, "day": lambda random: random.choice(words.DAYS), "month": lambda random: random.choice(words.MONTHS),
    "job": lambda random: words.pick(words.JOBS, random), "colour": lambda random: words.pick(words.COLOURS, random, 0.8),
    "animal": lambda random: words.pick(words.ANIMALS, random, 0.8), "food": lambda random: words.pick(words.FOODS, random),
    "hobby": lambda random: words.pick(words.HOBBIES, random), "thing": _thing,
}  # fmt: skip
