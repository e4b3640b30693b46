"""Questions that it cannot answer: the world, code, texts, other languages, rubbish."""

from __future__ import annotations

from random import Random

from tools.cria import words
from tools.cria.book import Book

_KEYS = "asdfghjklqwertyuiopzxcvbnm;'[]1234567890"
_SIGNS = "!@#$%^&*()_+-=[]{};:,.<>/?|`~\"'\\ "
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_MARKS = (
    "...", "?", "??", "!", "!!!", ".", "-", "…", "??!", "\N{FACE WITH TEARS OF JOY}", ":)", "🦙🦙", "👍", "#", "/", "*",
    ",,,", "~", "_", "\\", "0x00", "null", "undefined", "NaN",
)  # fmt: skip
FOREIGN_WORDS = [
    "el",
    "la",
    "los",
    "un",
    "una",
    "es",
    "está",
    "para",
    "por",
    "con",
    "muy",
    "casa",
    "perro",
    "gato",
    "agua",
    "tiempo",
    "quiero",
    "tengo",
    "puedo",
    "donde",
    "cuando",
    "pero",
    "le",
    "les",
    "des",
    "une",
    "est",
    "pas",
    "avec",
    "pour",
    "dans",
    "sur",
    "nous",
    "vous",
    "être",
    "avoir",
    "maison",
    "chien",
    "bonjour",
    "der",
    "die",
    "das",
    "ein",
    "eine",
    "ist",
    "nicht",
    "mit",
    "für",
    "auf",
    "und",
    "aber",
    "ich",
    "du",
    "wir",
    "haben",
    "sein",
    "haus",
    "hund",
    "wasser",
    "heute",
    "morgen",
    "warum",
    "il",
    "che",
    "non",
    "sono",
    "questo",
    "molto",
    "bene",
    "oggi",
    "domani",
    "perché",
    "casa",
    "acqua",
    "o",
    "um",
    "uma",
    "não",
    "você",
    "muito",
    "hoje",
    "amanhã",
    "obrigado",
    "het",
    "een",
    "niet",
    "voor",
    "maar",
    "ook",
    "goed",
    "vandaag",
    "jag",
    "inte",
    "och",
    "att",
    "det",
    "på",
    "är",
]


def slots(book: Book, random: Random) -> dict[str, str]:
    """Fresh fillings for the patterns."""
    things = words.COMMON + words.ANIMALS + words.FOODS + words.THINGS
    base = {
        "x": words.city(random),
        "y": words.pick(things, random, 0.7),
        "z": random.choice(words.COMMON + words.FOODS + words.HOBBIES),
        "n": words.name(random),
        "num": str(random.randint(2, 99)),
        "big": str(random.randint(41, 9999)),
        "s": " ".join(words.word(random) for _ in range(random.randint(4, 40))),
    }
    return {**base, "t": book.say("refusals.topics", random, **base)}


def foreign(book: Book, random: Random) -> str:
    """A sentence in another language, or words of one."""
    roll = random.random()
    if roll < 0.25 and "refusals.language" in book:
        return book.say("refusals.language", random)
    if roll < 0.65:
        return book.say("refusals.foreign", random, n=words.name(random), x=words.city(random))
    return " ".join(random.choices(FOREIGN_WORDS, k=random.randint(4, 9)))


def rubbish(random: Random) -> str:
    """Not a sentence in any language."""
    kind = random.randrange(6)
    if kind == 0:
        return "".join(random.choices(_KEYS, k=random.randint(3, 24)))
    if kind == 1:
        return random.choice(_MARKS)
    if kind == 2:
        return " ".join(words.made_up(random) for _ in range(random.randint(3, 8)))
    if kind == 3:
        return "".join(random.choices(_SIGNS, k=random.randint(2, 20))).strip() or "%%"
    if kind == 4:
        return random.choice(_LETTERS) * random.randint(3, 20)
    parts = (
        "".join(random.choices(_LETTERS + "0123456789", k=random.randint(1, 9))) for _ in range(random.randint(2, 6))
    )
    return " ".join(parts)


def long_text(random: Random) -> str:
    """A message that is far too long."""
    count = random.randint(120, 260)
    if random.random() < 0.3:
        return " ".join([words.word(random)] * count)
    return " ".join(words.word(random) + random.choice(("", "", "", ",", ".")) for _ in range(count))


def question(kind: str, book: Book, random: Random) -> str:
    """A wording of `kind`, one of `answers.REFUSALS`."""
    if kind == "language":
        return foreign(book, random)
    if kind == "rubbish" and (random.random() < 0.85 or "refusals.rubbish" not in book):
        return rubbish(random)
    if kind == "long":
        return long_text(random)
    if kind == "knowledge" and "refusals.elsewhere" in book and random.random() < 0.5:
        # Words of Corral about other things: the hardest to tell apart.
        return book.say("refusals.elsewhere", random, **slots(book, random))
    return book.say(f"refusals.{kind}", random, **slots(book, random))
