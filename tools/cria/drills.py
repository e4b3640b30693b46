"""Small tasks with one right answer: repeat, spell, first and last letters, count, add."""

from __future__ import annotations

from random import Random

from tools.cria import words
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


def _quoted(text: str, random: Random) -> str:
    return random.choice((text, text, text, f'"{text}"', f"'{text}'"))


def _shown(text: str, random: Random) -> str:
    """As it stands, seldom in capitals."""
    return text.upper() if random.random() < 0.05 else text


def _ask(section: str, book: Book, random: Random, **slots: str) -> str:
    said = book.say(f"tasks.{section}", random, **slots)
    # What is asked about keeps its case; the sentence around it begins as sentences do, mostly.
    if random.random() < 0.08:
        return f"{random.choice(_BEFORE)} {said}"
    return said if said.startswith(slots.get("w", "\0")) or random.random() < 0.4 else said[0].upper() + said[1:]


def repeat(book: Book, random: Random) -> Said:
    """Repeats 1 to 5 words."""
    many = (words.word(random) if random.random() < 0.75 else words.name(random) for _ in range(random.randint(1, 5)))
    text = _shown(" ".join(many), random)
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
    text = _shown(words.word(random) if random.random() < 0.7 else words.name(random), random)
    return _ask("spell", book, random, w=_quoted(text, random)), "It is spelled: " + " ".join(text)


def letter(book: Book, random: Random) -> Said:
    """The first or last letter of a word. The last one is found by spelling, which tokens hide."""
    text = words.word(random)
    if random.random() < 0.35:
        return _ask("first_letter", book, random, w=_quoted(text, random)), f"The first letter is: {text[0]}"
    said = _ask("last_letter", book, random, w=_quoted(text, random))
    return said, f"The letters are {' '.join(text)}, so the last letter is: {text[-1]}"


def count(book: Book, random: Random) -> Said:
    """Counts up or down within 0 to 20, now and then to 25."""
    most = 25 if random.random() < 0.15 else 20
    if random.random() < 0.6:
        if random.random() < 0.5:
            start, end, section = 1, random.randint(2, most), "count_up_one"
        else:
            start = random.randint(0, most - 6)
            end, section = min(most, start + random.randint(2, 10)), "count_up"
        numbers = list(range(start, end + 1))
    else:
        start = random.randint(2, most)
        if random.random() < 0.6:
            end, section = 1, "count_down_one"
        else:
            end, section = random.choice((0, max(0, start - random.randint(2, 8)))), "count_down"
        numbers = list(range(start, end - 1, -1))
    said = _ask(section, book, random, a=words.number_text(start, random), b=words.number_text(end, random))
    return said, "Here you are: " + ", ".join(map(str, numbers)) + "."


def add(book: Book, random: Random) -> Said:
    """Adds two numbers from 0 to 20."""
    left, right = random.randint(0, 20), random.randint(0, 20)
    return sum_of(left, right, book, random), f"{left} plus {right} is {left + right}."


def sum_of(left: int, right: int, book: Book, random: Random) -> str:
    """A question for a sum."""
    shown = [words.ONES[value] for value in (left, right)] if random.random() < 0.3 else [str(left), str(right)]
    return _ask("add", book, random, a=shown[0], b=shown[1])


DRILLS = {"repeat": repeat, "spell": spell, "letter": letter, "count": count, "add": add}
