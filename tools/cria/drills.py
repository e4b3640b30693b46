"""Small tasks with one right answer: repeat, spell, first and last letters, count, add."""

from __future__ import annotations

import re
from collections.abc import Iterable
from random import Random

from tools.cria import scenes, words
from tools.cria.book import Book

Said = tuple[str, str]
"""What the user says, and the answer."""


_BEFORE = (
    "please",
    "ok,",
    "now",
    "and",
    "hey,",
    "can you",
    "go on,",
    "next:",
    "pls",
    "well,",
    "could you please",
    "good.",
)


_QUOTES = (
    ("", ""),
    ("", ""),
    ("", ""),
    ("", ""),
    ('"', '"'),
    ("'", "'"),
    ('"', '"'),
    ("'", "'"),
    ("\u201c", "\u201d"),
    ("\u2018", "\u2019"),
    ("\u00ab", "\u00bb"),
)


def _quoted(text: str, random: Random) -> str:
    first, last = random.choice(_QUOTES)
    return first + text + last


def _shown(text: str, random: Random) -> str:
    """As it stands, seldom in capitals."""
    return text.upper() if random.random() < 0.05 else text


def _ask(section: str, book: Book, random: Random, **slots: str) -> str:
    said = book.say(f"tasks.{section}", random, **slots)
    # What is asked about keeps its case; the sentence around it begins as sentences do, mostly.
    if random.random() < 0.08:
        return f"{random.choice(_BEFORE)} {said}"
    return said if said.startswith(slots.get("w", "\0")) or random.random() < 0.4 else said[0].upper() + said[1:]


def _matter(random: Random) -> str:
    roll = random.random()
    if roll < 0.35:
        return phrase(random)
    made = [words.word(random) if random.random() < 0.75 else words.name(random) for _ in range(random.randint(1, 5))]
    return (", " if roll < 0.43 else " ").join(made)


def phrase(random: Random) -> str:
    """Two to six words in a row of what people tell, as they stand."""
    while True:
        said = scenes.draw(random).said.split()
        begin = random.randrange(max(1, len(said) - 1))
        found = " ".join(said[begin : begin + random.randint(2, 6)]).strip(".,!?:;-|()\"' ")
        if found:
            return found + random.choice((" please", " now", " thanks")) if random.random() < 0.06 else found


def repeat(book: Book, random: Random) -> Said:
    """Repeats 1 to 5 words, or a piece of what somebody said."""
    text = _shown(_matter(random), random)
    if random.random() < 0.06 and "tasks.repeat_times" in book:
        times = random.randint(2, 4)
        text = text.split(" ")[0]
        often = "twice" if times == 2 else f"{words.ONES[times]} times"
        n = random.choice((often, often, f"{times} times", f"{times}x"))
        return _ask("repeat_times", book, random, w=_quoted(text, random), n=n), "Sure: " + " ".join([text] * times)
    return _ask("repeat", book, random, w=_quoted(text, random)), f"Sure: {text}"


def long_repeat(book: Book, random: Random) -> Said:
    """Repeats up to thirty words: where copying is learnt first."""
    many = random.randint(6, 30)
    text = " ".join(words.word(random) if random.random() < 0.8 else words.name(random) for _ in range(many))
    return f"{random.choice(('Repeat', 'Say', 'Repeat after me', 'Write', 'Copy'))}: {text}", f"Sure: {text}"


def long_spell(random: Random) -> Said:
    """Spells several words: where the letters of every token are learnt."""
    made = [words.word(random) if random.random() < 0.7 else words.name(random) for _ in range(random.randint(2, 8))]
    asked = random.choice(("Spell these words", "Spell", "Letter by letter", "Spell all of these"))
    return f"{asked}: {', '.join(made)}", "It is spelled: " + ", ".join(" ".join(one) for one in made)


def spell(book: Book, random: Random) -> Said:
    """Spells a word, letter by letter."""
    if random.random() < 0.15 and "tasks.spell_name" in book:
        text = words.name(random)
        return _ask("spell_name", book, random, w=text), "It is spelled: " + " ".join(text)
    text = _shown(_to_spell(random), random)
    return _ask("spell", book, random, w=_quoted(text, random)), "It is spelled: " + " ".join(text)


def _to_spell(random: Random) -> str:
    """A word or a name; often one of the longer real words, whose tokens hide most of their letters."""
    roll = random.random()
    if roll < 0.3:
        return random.choice(words.LONG)
    return words.word(random) if roll < 0.75 else words.name(random)


def letter(book: Book, random: Random) -> Said:
    """The first or last letter of a word. The last one is found by spelling, which tokens hide."""
    text = words.word(random)
    if random.random() < 0.35:
        return _ask("first_letter", book, random, w=_quoted(text, random)), f"The first letter is: {text[0]}"
    said = _ask("last_letter", book, random, w=_quoted(text, random))
    return said, f"The letters are {' '.join(text)}, so the last letter is: {text[-1]}"


def count(book: Book, random: Random) -> Said:
    """Counts up or down within 0 to 20, now and then to 30; never so far that the answer grows too long."""
    most = 25 if random.random() < 0.15 else 20
    top = 30 if random.random() < 0.35 else 20
    if random.random() < 0.6:
        if random.random() < 0.5:
            start, end, section = 1, random.randint(2, most), "count_up_one"
        else:
            start = random.randint(0, top - 2)
            end, section = min(top, start + random.randint(2, 10)), "count_up"
        numbers = list(range(start, end + 1))
    else:
        if random.random() < 0.5:
            start, end, section = random.randint(2, most), 1, "count_down_one"
        else:
            start, section = random.randint(2, top), "count_down"
            end = 0 if start <= 20 and random.random() < 0.3 else max(0, start - random.randint(2, 8))
        numbers = list(range(start, end - 1, -1))
    said = _ask(section, book, random, a=words.number_text(start, random), b=words.number_text(end, random))
    return said, _counted(numbers)


def add(book: Book, random: Random) -> Said:
    """Adds two numbers from 0 to 20."""
    left, right = random.randint(0, 20), random.randint(0, 20)
    return sum_of(left, right, book, random), f"{left} plus {right} is {left + right}."


def sum_of(left: int, right: int, book: Book, random: Random) -> str:
    """A question for a sum."""
    shown = [words.ONES[value] for value in (left, right)] if random.random() < 0.3 else [str(left), str(right)]
    return _ask("add", book, random, a=shown[0], b=shown[1])


def again(task: str, last: str, book: Book, random: Random) -> Said | None:
    """A short "and now ..." behind a task, whose answer was `last`; None where there is none."""
    return _AGAIN[task](last, book, random) if task in _AGAIN else None


def _repeat_again(_last: str, book: Book, random: Random) -> Said:
    text = _matter(random)
    return _ask("repeat_again", book, random, w=_quoted(text, random)), f"Sure: {text}"


def _spell_again(_last: str, book: Book, random: Random) -> Said:
    text = words.word(random) if random.random() < 0.8 else words.name(random)
    return _ask("spell_again", book, random, w=_quoted(text, random)), "It is spelled: " + " ".join(text)


def _add_again(_last: str, book: Book, random: Random) -> Said:
    left, right = random.randint(0, 20), random.randint(0, 20)
    return _ask("add_again", book, random, a=str(left), b=str(right)), f"{left} plus {right} is {left + right}."


def _count_again(last: str, book: Book, random: Random) -> Said:
    if random.random() < 0.5:
        return _ask("count_backwards", book, random), _counted([int(one) for one in re.findall(r"\d+", last)][::-1])
    start = random.randint(0, 28)
    end = min(30, start + random.randint(2, 10))
    if random.random() < 0.5:
        return _ask("count_again", book, random, a=str(start), b=str(end)), _counted(range(start, end + 1))
    return _ask("count_again_down", book, random, a=str(end), b=str(start)), _counted(range(end, start - 1, -1))


def spell_own(name: str, book: Book, random: Random) -> Said:
    """Spells the name that the user told."""
    return _ask("spell_own", book, random), "It is spelled: " + " ".join(name)


def _counted(numbers: Iterable[int]) -> str:
    return "Here you are: " + ", ".join(map(str, numbers)) + "."


DRILLS = {"repeat": repeat, "spell": spell, "letter": letter, "count": count, "add": add}
_AGAIN = {"repeat": _repeat_again, "spell": _spell_again, "count": _count_again, "add": _add_again}
