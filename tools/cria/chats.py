"""Whole conversations, put together from exchanges: what the model is trained on."""

from __future__ import annotations

from random import Random

from tools.cria import drills, memory, structured
from tools.cria.acts import (
    ACTS,
    WEIGHTS,
    Chat,
    Turn,
    as_json,
    call_tool,
    drill,
    fact_of_corral,
    forget,
    no_tool,
    recall,
    refuse,
    smalltalk,
    tell,
)
from tools.cria.book import Book
from tools.cria.heldout import alone, plain


def json_chat(book: Book, random: Random) -> Chat:
    """Everything asked for as JSON by the system message."""
    chat = Chat(random, book, json_only=True)
    chat.system()
    for _ in range(random.randint(1, 4)):
        if random.random() < 0.3:
            fact = memory.new_fact(random)
            asked = structured.recall(fact, book, random, plain=True)
            if not forget(chat, fact) and asked is not None:
                chat.facts.append(fact)
                chat.say(memory.tell(fact, book, random)[0], asked[1], "json", rough=False)
        as_json(chat)
    return chat


def keyed_chat(book: Book, random: Random) -> Chat:
    """A system message that names the keys, and sentences that hold them."""
    chat = Chat(random, book, json_only=True)
    if random.random() < 0.15:
        chat.turns.append(Turn("system", structured.system_of_keys(["sum"], book, random)))
        for _ in range(random.randint(1, 3)):
            chat.say(*structured.total(book, random, plain=True), "json", rough=False)
        return chat
    keys, said, values = structured.keyed(book, random)
    chat.turns.append(Turn("system", structured.system_of_keys(keys, book, random)))
    kinds = set(values)
    for _ in range(random.randint(1, 3)):
        rough = said if random.random() < 0.6 else said.rstrip(".")
        chat.say(rough, structured.chosen(keys, values), "json", rough=False)
        for _ in range(20):
            said, values = structured.sentence(book, random)
            if kinds <= set(values) or set(keys) <= set(values):
                break
        else:
            break
    return chat


def tool_chat(book: Book, random: Random) -> Chat:
    """A conversation in which tools are offered: used when they fit, and only then."""
    chat = Chat(random, book, tools=structured.offer(random))
    chat.system()
    for _ in range(random.randint(1, 4)):
        roll = random.random()
        missing = [kind for kind in structured.TOOL_KINDS if kind not in chat.tools]
        if roll < 0.55:
            call_tool(chat)
        elif roll < 0.65 and missing:
            no_tool(chat, random.choice(missing))
        else:
            random.choices(ACTS, WEIGHTS)[0](chat)
    return chat


def mixed_chat(book: Book, random: Random, limit: int) -> Chat:
    """Acts in any order, up to `limit` characters."""
    chat = Chat(random, book)
    chat.system()
    while chat.size < limit or not chat.last:
        random.choices(ACTS, WEIGHTS)[0](chat)
    return chat


def far_recall(book: Book, random: Random, limit: int) -> Chat:
    """Facts told early, much talk between, and asked for at the end."""
    chat = Chat(random, book)
    chat.system()
    for _ in range(random.randint(1, 4)):
        tell(chat)
    while chat.size < limit:
        random.choices((smalltalk, fact_of_corral, drill, refuse, tell), (3, 5, 4, 3, 1))[0](chat)
    for place in random.sample(range(len(chat.facts)), min(len(chat.facts), 4)):
        recall(chat, place)
    return chat


def warm_up(book: Book, random: Random) -> Chat:
    """Nothing but copying and small tasks."""
    chat = Chat(random, book)
    chat.system()
    if random.random() < 0.5:
        chat.say(*drills.long_repeat(chat.book, random), "repeat", rough=False)
    for _ in range(random.randint(1, 7)):
        drill(chat)
    return chat


def dense(book: Book, random: Random) -> Chat:
    """Much to copy in few tokens: letters, rare words, JSON."""
    chat = Chat(random, book)
    chat.system()
    for _ in range(random.randint(2, 5)):
        roll = random.random()
        if roll < 0.15:
            chat.say(*drills.long_spell(random), "spell", rough=False)
        elif roll < 0.25:
            chat.say(*drills.long_repeat(book, random), "repeat", rough=False)
        elif roll < 0.55:
            drill(chat, random.choice(("spell", "spell", "letter", "repeat")))
        elif roll < 0.8 or "json.extract.shape" not in book:
            chat.say(*structured.extract(book, random), "json", rough=False)
        else:
            chat.say(*structured.asked_by_keys(book, random), "json", rough=False)
    return chat


def chat(book: Book, random: Random, warm: float = 0.0) -> list[Turn]:
    """One conversation of the corpus; `warm` is the share of those that only copy. None holds a held-out question."""
    while True:
        turns = _drawn(book, random, warm)
        if not any(turn.role == "user" and plain(turn.content) in alone() for turn in turns):
            return turns


def _drawn(book: Book, random: Random, warm: float) -> list[Turn]:
    if random.random() < warm:
        return warm_up(book, random).turns
    roll = random.random()
    if roll < 0.05:
        made = json_chat(book, random)
    elif roll < 0.13 and "json.system.keys" in book:
        made = keyed_chat(book, random)
    elif roll < 0.21:
        made = tool_chat(book, random)
    elif roll < 0.32:
        made = dense(book, random)
    elif roll < 0.39:
        made = far_recall(book, random, random.randint(700, 2300))
    else:
        made = mixed_chat(book, random, random.choice((40, 40, 150, 150, 300, 500, 800, 1200)))
    return made.turns
