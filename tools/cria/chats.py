"""Whole conversations, put together from exchanges: what the model is trained on."""

from __future__ import annotations

from random import Random

from tools.cria import drills, memory, records, scenes, structured
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
from tools.cria.answers import MEMORY
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


def _talk(chat: Chat, most: int) -> None:
    """Up to `most` exchanges that tell nothing of the user."""
    for _ in range(chat.random.randint(0, most)):
        chat.random.choices((smalltalk, drill, refuse, dumps), (4, 3, 3, 1))[0](chat)


def dumps(chat: Chat) -> None:
    """A record as JSON."""
    chat.say(*records.asked(chat.book, chat.random), "json", rough=False)


def scene_chat(book: Book, random: Random) -> Chat:
    """What is told in people's own manner, and questions for it: at once, later, and for what was not told."""
    chat = Chat(random, book)
    chat.system()
    _talk(chat, random.choice((0, 0, 1, 2)))
    told: list[scenes.Told] = []
    known: set[tuple[str, str]] = set()
    for _ in range(random.choice((1, 1, 2, 3))):
        scene, second = scenes.draw(random), scenes.draw(random)
        if not scene.fits(told):
            continue
        told.append(scene)
        if random.random() < 0.25 and len(scene.said + second.said) < 160 and second.fits(told):
            told.append(second)
            said = f"{scene.said}{'' if scene.said[-1] in '.!?' else '.'} {second.said}"
            chat.say(said, random.choice(memory.NODS), "tell", given=True)
        else:
            hear(chat, scene)
        if told[-1] is scene and scene.asked and random.random() < 0.1:
            _correct(chat, told, at_once=True)
        _talk(chat, random.choice((0, 0, 0, 1, 2)))
        if random.random() < 0.15:
            _correct(chat, told, at_once=False)
        for _ in range(random.randint(2, 4)):
            ask_scene(chat, random.choice(told), told, known)
    for scene in random.sample(told, len(told)):
        for _ in range(random.randint(1, 2)):
            ask_scene(chat, scene, told, known)
    return chat


def _correct(chat: Chat, told: list[scenes.Told], *, at_once: bool) -> None:
    """The user takes back a value of the scene that was told last."""
    if not told[-1].asked:
        return
    said, told[-1] = told[-1].corrected(chat.book, chat.random, at_once=at_once)
    given = chat.random.random() < 0.75
    answer = chat.random.choice((scenes.HEARD, *memory.NODS)) if given else scenes.HEARD
    chat.say(said[0].upper() + said[1:], answer, "tell", given=given)


def hear(chat: Chat, scene: scenes.Told) -> None:
    """A scene is told; most answers to it are another model's."""
    random = chat.random
    given = random.random() < 0.75
    own = next((scene.values[one.key] for one in scene.asked if one.answer.startswith("Your name is")), None)
    answer = memory.fill(MEMORY["name"].told, memory.Fact("name", "", own)) if own else scenes.HEARD
    if given:
        answer = random.choice((answer, random.choice(memory.NODS)))
    chat.say(scene.said, answer, "tell", given=given)


def ask_scene(chat: Chat, scene: scenes.Told, told: list[scenes.Told], known: set[tuple[str, str]]) -> None:
    """Asks for a value of the scene, or for one that no scene of the conversation holds.

    What was asked before (`known`: what was said, and the value) is seldom asked again: an answer given once is easily found.
    """
    random = chat.random
    untold = scene.untold(told) if not scene.asked or random.random() < 0.15 else []
    if untold:
        chat.say(random.choice(untold), scenes.UNKNOWN, "unknown")
        return
    again = random.random() < 0.15
    left = [one for one in scene.asked if again or (scene.said, scene.values[one.key]) not in known]
    if not left:
        return
    one = random.choice(left)
    known.add((scene.said, scene.values[one.key]))
    if random.random() < 0.06:
        chat.say(*scene.in_json(one, random), "json", rough=False)
    else:
        chat.say(*scene.question(one, random), "recall")


def record_chat(book: Book, random: Random) -> Chat:
    """Records as JSON: the keys in each message, or once in the system message."""
    chat = Chat(random, book, json_only=random.random() < 0.4)
    said, values = records.draw(random)
    keys = records.some(values, random)
    if chat.json_only:
        chat.turns.append(Turn("system", records.system(keys, values, book, random)))
        chat.say(said, records.as_json(values, keys), "json", rough=False)
        return chat
    chat.system()
    for _ in range(random.randint(1, 4)):
        dumps(chat)
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
    if "json.extract.shape" in book and random.random() < 0.5:
        return (scene_chat if random.random() < 0.74 else record_chat)(book, random).turns
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
