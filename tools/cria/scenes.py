"""Scenes: what people tell in their own manner, with the questions that it answers and some that it does not.

A scene (scenes/*.txt) is a block of lines. `S` is what the user says, with values as `<key:type>` and words chosen for
the whole scene as `<word=one|other>`; `Q key:` are wordings that ask for a value later, parted by " / ", with the
answer behind "=>"; `U` are questions that only sound as if the scene answered them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from random import Random

from tools.cria import structured
from tools.cria.book import Book
from tools.cria.grammar import expand
from tools.cria.kinds import NUMBERS, value

FOLDER = Path(__file__).with_name("scenes")
UNKNOWN = "You have not told me that yet."
HEARD = "Got it, I will remember that."
SAID = "You said <v>."
"""Answers any question for a value. As they are written, answers have wordings without end, and most of what a small
network can learn goes into guessing them."""
_CHOICE = re.compile(r"<(\w+)=([^<>]*)>")
_SLOT = re.compile(r"<(\w+):(\w+)>")
_NAMED = re.compile(r"<(\w+)>")
_OWN = (("Your", "my"), ("You are", "I am"), ("You", "I"), ("The", "the"))
"""How an answer begins, and how the user says the same."""
_CORRECTED = {
    "name": r"Your name is <v>\.", "live": r"You live in <v>\.", "job": r"You work as a <v>\.",
    "age": r"You are <v> years old\.", "like": r"You like <v>\.", "called": r"(Your|The) ([^<>]+) is called <v>\.",
    "is": r"(Your|The) ([^<>]+) is <v>\.",
}  # fmt: skip
"""In which section of wordings something is corrected, by the answer that tells it."""
_OF_USER = ("name", "live", "job", "age", "like")
"""Answers of these forms are given as they are written: each has only one wording."""


_FUNCTION_WORDS = (
    "what whats is my the where wheres do does did how hows who whos when which a an i im you your of to in on for at are was were it its be been have has had me tell "
    "remember again and or that this so not no can could with by from we our s t about know say said would will any there they he she him her his"
)
"""Words of questions that say nothing of what is asked for."""
_EMPTY = frozenset(_FUNCTION_WORDS.split())


def _meant(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z]+", _NAMED.sub("", text.lower()))) - _EMPTY


@dataclass(frozen=True)
class Asked:
    """Wordings that ask for the value of `key`, and the answer."""

    key: str
    wordings: tuple[str, ...]
    answer: str


@dataclass
class Scene:
    """One block of a file, as it is written."""

    said: str
    asked: list[Asked] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Told:
    """A scene with its values: what was said, the values by key, and what may be asked."""

    said: str
    values: dict[str, str]
    kinds: dict[str, str]
    asked: tuple[Asked, ...]
    unknown: tuple[str, ...]

    def heard(self) -> frozenset[str]:
        """The words of its questions and answers that mean something."""
        return _meant(" ".join(text for one in self.asked for text in (*one.wordings, one.answer)))

    def untold(self, others: list[Told]) -> list[str]:
        """What neither it nor, by their words, the others of the conversation tell."""
        heard = frozenset().union(*(one.heard() for one in others if one is not self))
        return [one for one in self.unknown if not _meant(one) & heard]

    def corrected(self, book: Book, random: Random, *, at_once: bool) -> tuple[str, Told]:
        """(what the user says of another value for one of its keys, the scene with it). What is said `at_once` need not name
        what it is about."""
        one = random.choice(self.asked)
        old, new = self.values[one.key], value(self.kinds[one.key], random)
        told = replace(self, values={**self.values, one.key: new})
        if at_once and random.random() < 0.7:
            pattern = book.pattern("corrections.right_away", random)
            while "<old>" not in pattern and len(self.values) > 1:
                pattern = book.pattern("corrections.right_away", random)
            return _filled(expand(pattern, random), {"old": old, "new": new}), told
        for section, form in _CORRECTED.items():
            found = re.fullmatch(form, _NAMED.sub("<v>", one.answer))
            if found and random.random() < 0.7:
                about = {"x": " ".join(found.groups()).replace("Your", "my").replace("The", "the")}
                return book.say(f"corrections.{section}", random, old=old, new=new, **about), told
        said = _filled(one.answer, told.values).rstrip(".")
        for theirs, own in _OWN:
            if said.startswith(theirs):
                said = own + said[len(theirs) :]
                break
        return expand(book.pattern("memory.change", random), random).replace("<s>", said), told

    def fits(self, others: list[Told]) -> bool:
        """Whether no other answers the same question: one of the two would be wrong."""
        return not any(self.topics() & one.topics() for one in others)

    def topics(self) -> frozenset[str]:
        """Its answers without the values."""
        return frozenset(_NAMED.sub("", one.answer) for one in self.asked)

    def in_json(self, one: Asked, random: Random) -> tuple[str, str]:
        """A question for a value as an object, and the object."""
        said = _filled(expand(random.choice(one.wordings), random), self.values)
        held = structured.typed(self.values[one.key]) if self.kinds[one.key] in NUMBERS else self.values[one.key]
        return structured.in_json(said, one.key, random), structured.dump({one.key: held})

    def question(self, one: Asked, random: Random) -> tuple[str, str]:
        """A question for a value, and the answer."""
        wording = expand(random.choice(one.wordings), random)
        return _filled(wording, self.values), _filled(_short(one), self.values)


def read(folder: Path = FOLDER) -> list[Scene]:
    """All scenes of a folder. Raises ValueError for a line that is none of `S`, `Q` and `U`, or has an unknown key."""
    return [scene for path in sorted(folder.glob("*.txt")) for scene in _scenes(path)]


def _scenes(path: Path) -> Iterator[Scene]:
    scene: Scene | None = None
    for line in filter(None, map(str.strip, path.read_text(encoding="utf-8").splitlines())):
        kind, _, rest = line.partition(" ")
        if kind == "S":
            if scene is not None:
                yield scene
            scene = Scene(rest)
        elif scene is not None and kind == "U":
            scene.unknown += rest.split(" / ")
        elif scene is not None and kind == "Q" and "=>" in rest:
            wordings, _, answer = rest.partition("=>")
            key, _, wordings = wordings.partition(":")
            if f"<{key}:" not in scene.said or f"<{key}>" not in answer:
                raise ValueError(f"{path}: {line!r} asks for what the scene does not tell")
            scene.asked.append(Asked(key, tuple(one.strip() for one in wordings.split(" / ")), answer.strip()))
        else:
            raise ValueError(f"{path}: {line!r} is no line of a scene")
    if scene is not None:
        yield scene


@cache
def _all() -> list[Scene]:
    return read()


def _filled(text: str, values: dict[str, str]) -> str:
    """The text with its values; "a" becomes "an" where a value asks for it."""
    text = re.sub(r"\b([Aa]) <(\w+)>", lambda found: f"{article(found[1], values[found[2]])} <{found[2]}>", text)
    return _NAMED.sub(lambda found: values[found[1]], text)


def article(word: str, before: str) -> str:
    """ "a" or "an", as `word` is written, before another word."""
    return f"{word}n" if before[:1].lower() in tuple("aeio") else word


def draw(random: Random) -> Told:
    """Any scene with values at random."""
    return play(random.choice(_all()), random)


def play(scene: Scene, random: Random) -> Told:
    """A scene with values at random; what may be asked is what was said."""
    words_of = {name: random.choice(options.split("|")) for name, options in _CHOICE.findall(scene.said)}
    said = expand(_settled(_CHOICE.sub(lambda found: words_of[found[1]], scene.said), words_of), random)
    values: dict[str, str] = {}
    kinds = dict(_SLOT.findall(said))
    for key, kind in kinds.items():
        while key not in values or list(values.values()).count(values[key]) > 1:
            values[key] = value(kind, random)
    asked = tuple(
        Asked(one.key, tuple(_settled(way, words_of) for way in one.wordings), _settled(one.answer, words_of))
        for one in scene.asked
        if one.key in values
    )
    said = _filled(_SLOT.sub(r"<\1>", said), values)
    unknown = tuple(_settled(one, words_of) for one in scene.unknown)
    askable = tuple(one for one in asked if _known(one, values))
    return Told(
        said[0].upper() + said[1:] if said[0].islower() and random.random() < 0.3 else said,
        values,
        kinds,
        askable,
        tuple(_filled(expand(one, random), values) for one in unknown if set(_NAMED.findall(one)) <= set(values)),
    )


def _short(asked: Asked) -> str:
    """What Cria answers: the value and its article, but for what is told of the user."""
    if any(re.fullmatch(_CORRECTED[form], _NAMED.sub("<v>", asked.answer)) for form in _OF_USER):
        return asked.answer
    before = re.search(rf"\ban? (?=<{asked.key}>)", asked.answer)
    return SAID.replace("<v>", f"{before[0] if before else ''}<{asked.key}>")


def _known(asked: Asked, values: dict[str, str]) -> bool:
    """Whether all words of the questions and the answer have values."""
    return all(set(_NAMED.findall(text)) <= set(values) for text in (*asked.wordings, asked.answer))


def _settled(text: str, words_of: dict[str, str]) -> str:
    """The text with the words that are chosen for the whole scene."""
    text = _CHOICE.sub(lambda found: words_of.get(found[1], found[2].split("|")[0]), text)
    return _NAMED.sub(lambda found: words_of.get(found[1], found[0]), text)
