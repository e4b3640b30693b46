"""Facts that a user tells, changes and asks for again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from random import Random

from tools.cria import words
from tools.cria.answers import MEMORY, NAME_CHANGED, NOTHING_TOLD
from tools.cria.book import Book
from tools.cria.grammar import expand, slip

MY = (
    "favourite colour", "favorite color", "favourite food", "favourite animal", "birthday", "lucky number", "phone number",
    "car", "shoe size", "school", "street", "company", "team", "project", "favourite book", "surname", "last name", "email",
    "password", "favourite city", "boss", "favourite number", "favourite word", "code", "favourite drink", "favourite game",
    "favourite season", "favourite song", "best friend", "hometown", "first car", "nickname", "locker number", "seat number",
    "room number", "flight number", "username", "dentist", "landlord", "favourite tree", "hero", "dream", "goal",
)  # fmt: skip
THE = (
    "wifi password", "door code", "secret word", "magic number", "meeting", "red box", "blue key", "code word", "password",
    "spare key", "next train", "gate code", "room number", "locker code", "deadline", "exam", "appointment", "bus", "flight",
    "safe code", "winner", "answer", "team name", "plan", "pin", "alarm code", "first prize", "staff room", "old map", "secret",
)  # fmt: skip
_AT = ("under", "in ", "on ", "behind", "next", "by ", "upstairs", "at ", "near", "inside", "below")
_TIMED = (
    "meeting", "lesson", "party", "concert", "dinner", "lunch", "next train", "deadline", "exam", "appointment", "bus",
    "flight", "game",
)  # fmt: skip
_NAMED = ("boss", "school", "company", "team", "street", "best friend", "dentist", "landlord", "hero")


NODS = (
    "Okay.", "Noted.", "Got it.", "Thank you for telling me.", "Nice to meet you!", "Thanks, I will remember that.",
    "Hello! What can I do for you?", "All right.", "Good to know!",
)  # fmt: skip
"""What other models may have answered to a fact."""
_BARE = {
    "age": ("<v>", "<v> years old", "aged <v>"), "city": ("from <v>", "living in <v>", "in <v>"),
    "job": ("a <v>", "working as a <v>"), "pet": ("with a <k> called <v>",),
}  # fmt: skip
"""What a second fact may be beside a name."""
_INTRODUCED = re.compile(r"<(name|age|job|city|like|petname)>")


@dataclass(frozen=True)
class Fact:
    """One fact: `relation` as in `answers.MEMORY`, `kind` of thing where it has one, and the value."""

    relation: str
    kind: str
    value: str

    def same(self, other: Fact) -> bool:
        """Whether one takes the place of the other."""
        return (self.relation, self.kind) == (other.relation, other.kind)


def new_fact(random: Random) -> Fact:
    """A fact that somebody could tell."""
    relation = random.choices(list(MEMORY), (5, 3, 2, 2, 2, 3, 5, 5))[0]
    kind = ""
    if relation == "pet":
        kind = random.choice(words.ANIMALS + words.RELATIVES)
    elif relation == "my":
        kind = random.choice((*MY, random.choice(words.THINGS), words.made_up(random)))
    elif relation == "the":
        thing = random.choice(words.THINGS)
        kind = thing if random.random() < 0.7 else random.choice((*THE, words.made_up(random)))
    return Fact(relation, kind, new_value(relation, kind, random))


@cache
def _plain() -> Book:
    return Book(more=False)


def introduction(book: Book, random: Random) -> tuple[list[Fact], str]:
    """Two or three facts, and one message that tells them all."""
    if "memory.intro" in book and random.random() < 0.5:
        return _introduced(book.pattern("memory.intro", random), random)
    if random.random() < 0.6:
        book = _plain()
    facts: list[Fact] = []
    while len(facts) < random.choice((2, 2, 3)):
        fact = new_fact(random)
        if not facts and random.random() < 0.5:
            fact = Fact("name", "", words.full_name(random))
        if not any(one.same(fact) for one in facts):
            facts.append(fact)
    said = tell(facts[0], book, random)[0]
    joint = random.choice((None, " and ", ", ", ", and "))
    for fact in facts[1:]:
        bare = _BARE.get(fact.relation)
        if facts[0].relation == "name" and bare is not None and random.random() < 0.4:
            said = f"{said.rstrip('.!')}, {fill(random.choice(bare), fact)}"
            continue
        more = tell(fact, book, random)[0]
        said = f"{said} {more}" if joint is None else f"{said.rstrip('.!')}{joint}{_inside(more, fact)}"
    return facts, said


def _inside(said: str, fact: Fact) -> str:
    """A sentence as it stands behind other words: what began in lower case but for its place does so again."""
    return said if said.startswith((fact.value, "I ", "I'")) else said[0].lower() + said[1:]


def _introduced(pattern: str, random: Random) -> tuple[list[Fact], str]:
    said = expand(pattern, random)
    facts = []
    for slot in _INTRODUCED.findall(said):
        relation, kind = (slot, "") if slot != "petname" else ("pet", random.choice(words.ANIMALS + words.RELATIVES))
        fact = Fact(relation, kind, new_value(relation, kind, random))
        facts.append(fact)
        said = said.replace(f"<{slot}>", fact.value).replace("<pet>", kind or "<pet>")
    return facts, said


def beside(fact: Fact, random: Random) -> Fact:
    """Another fact of the same relation: what is easily mistaken for one that was told."""
    for _ in range(200):
        other = new_fact(random)
        if other.relation == fact.relation and other.kind != fact.kind:
            return other
    return new_fact(random)


def new_value(relation: str, kind: str, random: Random) -> str:
    """A value that fits the relation."""
    if relation in ("name", "pet") or "name" in kind or kind in _NAMED:
        return words.full_name(random)
    if relation in ("city", "age", "job", "like"):
        return _of_person(relation, random)
    if "number" in kind or "code" in kind or kind in ("shoe size", "room", "password", "pin"):
        return words.code(random)
    if kind == "birthday":
        return f"{random.choice(words.MONTHS)} {random.randint(1, 28)}"
    return _of_thing(relation, kind, random)


def _of_thing(relation: str, kind: str, random: Random) -> str:
    if "colo" in kind:
        return words.pick(words.COLOURS, random)
    if kind in _TIMED and random.random() < 0.7:
        return f"on {random.choice(words.DAYS)}" if random.random() < 0.5 else words.hour(random)
    if relation == "the" and random.random() < 0.35:
        return words.place(random)
    value = words.word(random)
    return f"{value} {words.word(random)}" if random.random() < 0.2 else value


def _of_person(relation: str, random: Random) -> str:
    if relation == "city":
        return words.city(random)
    if relation == "age":
        return words.number_text(random.randint(3, 99), random)
    if random.random() < 0.15:
        return f"{words.word(random)} {words.word(random)}"
    return words.pick(words.JOBS if relation == "job" else words.HOBBIES + words.FOODS, random)


def fill(text: str, fact: Fact) -> str:
    """Puts a fact's words into a pattern; "a" becomes "an" where they ask for it."""
    if fact.value[:1].lower() in tuple("aeio"):
        text = re.sub(r"\b([Aa]) (?=<v>)", r"\1n ", text)
    if fact.kind[:1].lower() in tuple("aeio"):
        text = re.sub(r"\b([Aa]) (?=<k>)", r"\1n ", text)
    return text.replace("<v_not>", "").replace("<k>", fact.kind).replace("<v>", fact.value).replace("<at>", fact.value)


def tell(fact: Fact, book: Book, random: Random, *, change: bool = False) -> tuple[str, str]:
    """(what the user says, what is answered)."""
    pattern = book.pattern(f"memory.{fact.relation}.tell", random)
    while "<at>" in pattern and not fact.value.startswith(_AT):
        pattern = book.pattern(f"memory.{fact.relation}.tell", random)
    said = fill(expand(pattern, random), fact)
    if change:
        kept = _inside(said, fact).rstrip(".")
        said = expand(book.pattern("memory.change", random), random).replace("<s>", kept)
        said = said[0].upper() + said[1:]
        if fact.relation == "name":
            return said, fill(NAME_CHANGED, fact)
    return said, fill(MEMORY[fact.relation].told, fact)


def ask(fact: Fact, book: Book, random: Random) -> tuple[str, str]:
    """A question for a fact that was told, and the answer."""
    said = fill(expand(book.pattern(f"memory.{fact.relation}.ask", random), random), fact)
    if not fact.kind and random.random() < 0.15:
        said = slip(said, random)
    return said, fill(MEMORY[fact.relation].asked, fact)


def ask_unknown(fact: Fact, book: Book, random: Random) -> tuple[str, str]:
    """A question for a fact that was not told, and the answer."""
    return ask(fact, book, random)[0], fill(MEMORY[fact.relation].unknown, fact)


def ask_all(facts: list[Fact], book: Book, random: Random) -> tuple[str, str]:
    """A question for all facts; the answer names at most the last three."""
    said = book.say("memory.all.ask", random)
    if not facts:
        return said, NOTHING_TOLD
    return said, " ".join(fill(MEMORY[fact.relation].asked, fact) for fact in facts[-3:])
