"""JSON answers and tool calls."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from random import Random

from tools.cria import drills, memory, words
from tools.cria.book import Book
from tools.cria.memory import Fact

Tool = tuple[str, str]
"""A tool's name and its one parameter."""

PAIRS = (
    ("name", "city"), ("name", "age"), ("name", "job"), ("name", "colour"), ("item", "price"), ("item", "count"),
    ("city", "day"), ("item", "colour"), ("item", "day"), ("name", "day"), ("name", "item"), ("name", "animal"),
    ("name", "food"), ("name", "price"), ("city", "price"), ("item", "city"),
)  # fmt: skip
TRIPLES = (
    ("name", "age", "city"), ("name", "job", "city"), ("item", "count", "price"), ("item", "price", "day"),
    ("name", "item", "count"), ("item", "count", "colour"), ("name", "age", "job"), ("name", "day", "city"),
    ("name", "item", "price"), ("name", "age", "food"),
)  # fmt: skip
NUMBERS = ("age", "price", "count", "sum", "result", "number")
TOOL_KINDS = {
    "weather": (
        ("get_weather", "weather", "current_weather", "get_current_weather", "weather_forecast", "lookup_weather"),
        ("city", "location", "place", "town"),
    ),
    "time": (
        ("get_time", "time", "current_time", "get_current_time", "time_in", "world_clock", "clock"),
        ("city", "location", "timezone", "place", "zone"),
    ),
    "search": (
        ("search", "web_search", "search_web", "google", "find", "lookup"),
        ("query", "q", "text", "search_query", "terms"),
    ),
}
_RESULTS = {
    "weather": (
        "sunny, {n} degrees", "rain and {n} degrees", "cloudy, {n} degrees", "{n} C", "snow", "windy and {n} degrees",
        "clear sky, {n} C", "{w} with {x}, {n} degrees",
    ),
    "time": ("{h}:{m}", "{h}:{m} in the morning", "{h}:{m}", "it is {h}:{m}", "It is {w} past {x} in the evening"),
    "search": ("{w} {x} {y}", "{w} is a {x}", "the {w} of {x}", "no results", "{w}", "{n} {w} near {x} have {y}"),
}  # fmt: skip
_RECALL_KEYS = {"name": "name", "city": "city", "age": "age", "job": "job", "like": "hobby"}


def dump(value: dict[str, object]) -> str:
    """The one way this model writes JSON."""
    return json.dumps(value, ensure_ascii=False)


def _value(key: str, random: Random) -> str:
    if key in NUMBERS:
        return str(random.randint(1, 99))
    drawn = {"name": words.name, "city": words.city}.get(key, words.word)(random)
    chosen = {"job": words.JOBS, "colour": words.COLOURS, "animal": words.ANIMALS, "food": words.FOODS}.get(key)
    if chosen is not None:
        return words.pick(chosen, random)
    return random.choice(words.DAYS) if key == "day" else drawn


def typed(value: str) -> object:
    """A number that is written in digits or in words, as JSON has it."""
    if value in words.ONES:
        return words.ONES.index(value)
    return int(value) if value.isdigit() else value


def _typed(key: str, value: str) -> object:
    return typed(value) if key in NUMBERS else value


def _shown(values: dict[str, str], random: Random) -> dict[str, str]:
    """The values as a sentence has them: small numbers now and then in words."""
    return {
        key: words.number_text(int(value), random) if key in NUMBERS and random.random() < 0.5 else value
        for key, value in values.items()
    }


_JOINTS = (" and ",) * 3 + (", ",) * 2 + (" + ", "/", " & ", " plus ", "; ")
"""What stands between keys, the usual ones more often."""


def listed(keys: list[str], random: Random) -> str:
    """Keys as people list them: "a, b and c" most of all, but any sign may stand between them."""
    shown = [f'"{key}"' for key in keys] if random.random() < 0.3 else keys
    if random.random() < 0.5:
        return random.choice((" and ", " and ", ", and ", ", ")).join(filter(None, (", ".join(shown[:-1]), shown[-1])))
    return random.choice(_JOINTS).join(shown)


def extract(book: Book, random: Random, *, plain: bool = False) -> tuple[str, str]:
    """Takes one or two values out of a sentence. `plain` when a system message asked for JSON already."""
    first, second = random.choice(PAIRS)
    while f"json.sentences.{first}_{second}" not in book:
        first, second = random.choice(PAIRS)
    values = {first: _value(first, random), second: _value(second, random)}
    shown = _shown(values, random)
    sentence = book.say(f"json.sentences.{first}_{second}", random, a=shown[first], b=shown[second])
    values = as_said(values, sentence)
    roll = random.random()
    keys = [first] if roll < 0.25 else [second] if roll < 0.5 else [first, second]
    if first == "name" and second != "age" and roll > 0.85:
        values["age"] = _value("age", random)
        more = book.say("json.sentences.name_age", random, a=values["name"], b=values["age"])
        sentence, keys = f"{sentence.rstrip('.')}. {more}", random.sample(["name", second, "age"], 3)
    section = "json.extract.plain" if plain else "json.extract"
    said = book.say(section, random, s=sentence, keys=listed(keys, random))
    return said, dump({key: _typed(key, values[key]) for key in keys})


def sentence(book: Book, random: Random) -> tuple[str, dict[str, str]]:
    """A sentence about two or three things, and their values by key."""
    kinds = random.choice(TRIPLES if random.random() < 0.4 else PAIRS)
    section = f"json.sentences.{'_'.join(kinds)}"
    if section not in book:
        return sentence(book, random)
    values = {key: _value(key, random) for key in kinds}
    said = book.say(section, random, **dict(zip("abc", _shown(values, random).values(), strict=False)))
    return said, as_said(values, said)


def as_said(values: dict[str, str], said: str) -> dict[str, str]:
    """The values as the sentence has them: things that are counted stay in the plural."""
    item = values.get("item")
    if item is None or not re.search(rf"\b{re.escape(item)}s\b", said):
        return values
    return {**values, "item": f"{item}s"}


def shape(keys: list[str], random: Random, numbers: Collection[str] = NUMBERS) -> str:
    """How people draw the object that they want; `numbers` are the keys of numbers."""
    if random.random() < 0.5:
        return "{" + ", ".join(keys) + "}"
    style = random.choice(("...", "?", ""))
    return "{" + ", ".join(f'"{key}": {style or ("number" if key in numbers else "string")}' for key in keys) + "}"


def keyed(book: Book, random: Random) -> tuple[list[str], str, dict[str, str]]:
    """Some keys in any order, a sentence that holds them, and what its values are."""
    said, values = sentence(book, random)
    many = random.choice((1, 2, 2, 3, 3))
    keys = random.sample(list(values), min(many, len(values)))
    return keys, said, values


def chosen(keys: list[str], values: dict[str, str]) -> str:
    """The JSON of `keys`."""
    return dump({key: _typed(key, values[key]) for key in keys})


def asked_by_keys(book: Book, random: Random) -> tuple[str, str]:
    """One message that names the keys, or draws the object, and holds the sentence."""
    keys, said, values = keyed(book, random)
    if random.random() < 0.5:
        text = book.say("json.extract.shape", random, s=said, shape=shape(keys, random))
    else:
        text = book.say("json.extract", random, s=said, keys=listed(keys, random))
    return text, chosen(keys, values)


def system_of_keys(keys: list[str], book: Book, random: Random) -> str:
    """A system message that asks for JSON with `keys`."""
    return book.say("json.system.keys", random, keys=listed(keys, random), shape=shape(keys, random))


def total(book: Book, random: Random, *, plain: bool = False) -> tuple[str, str]:
    """A sum as JSON."""
    left, right = random.randint(0, 20), random.randint(0, 20)
    if plain:
        return drills.sum_of(left, right, book, random), dump({"sum": left + right})
    key = random.choice(("sum", "sum", "result", "answer"))
    if "json.sum.shape" in book and random.random() < 0.4:
        said = book.say("json.sum.shape", random, a=str(left), b=str(right), shape=shape([key], random))
        return said, dump({key: left + right})
    numbers = [words.ONES[one] if random.random() < 0.2 else str(one) for one in (left, right)]
    return book.say("json.sum", random, a=numbers[0], b=numbers[1], key=key), dump({key: left + right})


def recall(fact: Fact, book: Book, random: Random, *, plain: bool = False) -> tuple[str, str] | None:
    """A fact that was told, as JSON; None for kinds that have no short key."""
    key = _RECALL_KEYS.get(fact.relation) or (fact.kind if " " not in fact.kind else None)
    if key is None:
        return None
    said = memory.ask(fact, book, random)[0]
    value = {key: _typed(key, fact.value)}
    if plain:
        return said, dump(value)
    given = f"Give me my {key}" if fact.relation in _RECALL_KEYS and random.random() < 0.25 else said
    return in_json(given, "" if random.random() < 0.6 else key, random), dump(value)


def in_json(said: str, key: str, random: Random) -> str:
    """A question, to be answered as an object, with `key` if there is one."""
    said = said.rstrip("?. ")
    how = random.choice(("as JSON", "in JSON", "as a JSON object"))
    if key:
        shown = random.choice((f"the key {key}", f'the key "{key}"', f'"{key}" as the key', f"key {key}", f"{{{key}}}"))
        how = f"{how} with {shown}" if shown[0] != "{" else f"{how} {shown}"
    return random.choice((f"{said} {how}?", f"{said}? Answer {how}.", f"Answer {how}: {said}?", f"{said}, {how}"))


def recall_many(facts: list[Fact], book: Book, random: Random) -> tuple[str, str] | None:
    """Two or three told facts in one object; None when too few have a short key."""
    keys = {_RECALL_KEYS.get(fact.relation): fact.value for fact in facts}
    keys.pop(None, None)
    if len(keys) < 2:
        return None
    chosen = random.sample(list(keys), random.randint(2, min(3, len(keys))))
    asked = [f"my {key}" if place == 0 or random.random() < 0.4 else str(key) for place, key in enumerate(chosen)]
    said = book.say("json.recall.many", random, keys=" and ".join((", ".join(asked[:-1]), asked[-1])))
    return said, dump({str(key): _typed(str(key), keys[key]) for key in chosen})


# tools


def tool_line(tool: Tool) -> str:
    """How the chat template shows a tool with one parameter."""
    return f"{tool[0]}({tool[1]})"


def offer(random: Random) -> dict[str, Tool]:
    """The tools of a conversation by kind: one to three."""
    kinds = random.sample(sorted(TOOL_KINDS), random.choice((1, 1, 2, 3)))
    return {kind: (random.choice(TOOL_KINDS[kind][0]), random.choice(TOOL_KINDS[kind][1])) for kind in kinds}


def use(kind: str, tool: Tool, book: Book, random: Random) -> tuple[str, str, str, str]:
    """(question, call, result of the tool, answer)."""
    value = words.city(random)
    if kind == "search":
        value = " ".join(words.word(random) for _ in range(random.randint(1, 3)))
    said = book.say(f"tools.{kind}", random, v=value)
    call = f'<tool_call>\n{{"name": "{tool[0]}", "arguments": {dump({tool[1]: value})}}}\n</tool_call>'
    result = random.choice(_RESULTS[kind]).format(
        n=random.randint(-9, 39), h=random.randint(1, 23), m=f"{random.randint(0, 59):02}",
        w=words.word(random), x=words.word(random), y=words.word(random),
    )  # fmt: skip
    if random.random() < 0.35:
        result = dump({"result": result})
    return said, call, result, f"The tool says: {result}"
