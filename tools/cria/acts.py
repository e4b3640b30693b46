"""One exchange of a conversation after the other: small talk, questions, facts, tasks, refusals.

A conversation is a list of `Turn`; the loss is taken on those with `role == "assistant"` alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from tools.cria import drills, memory, refusals, structured, words
from tools.cria.answers import CORRAL, MEMORY, REFUSALS, SMALLTALK, SURE_FACT, SURE_SUM, WHY_NOT
from tools.cria.book import Book
from tools.cria.grammar import roughen

DEFAULT_SYSTEM = "You are a helpful assistant."
SYSTEMS = (
    DEFAULT_SYSTEM,
    "You are Cria.",
    "You are a friendly assistant.",
    "Be brief.",
    "You are a helpful AI assistant. Answer in short sentences.",
    "You are a chat bot.",
    "Answer truthfully.",
    "You are an assistant who helps people.",
)
_REFUSED = (16, 3, 4, 2, 4, 3, 2, 3, 3, 4, 2, 3, 3, 1)
"""How often each kind of `REFUSALS` is asked for."""


@dataclass(frozen=True)
class Turn:
    """One message; `tool` is a tool's result. An answer that is `given` is not learnt: another model may have said it."""

    role: str
    content: str
    given: bool = False


@dataclass
class Chat:
    """A conversation that grows; `size` is its length in characters."""

    random: Random
    book: Book
    turns: list[Turn] = field(default_factory=list)
    facts: list[memory.Fact] = field(default_factory=list)
    tools: dict[str, structured.Tool] = field(default_factory=dict)
    json_only: bool = False
    last: str = ""

    @property
    def size(self) -> int:
        return sum(len(turn.content) + 12 for turn in self.turns)

    def say(
        self, user: str, assistant: str, kind: str, *, rough: bool = True, careful: bool = False, given: bool = False
    ) -> None:
        """Adds a message and its answer; `careful` keeps every word of the message, `given` is as in `Turn`."""
        careful = careful or kind in ("tell", "recall", "unknown", "json")
        self.turns.append(Turn("user", roughen(user, self.random, careful=careful) if rough else user))
        self.turns.append(Turn("assistant", assistant, given))
        self.last = kind

    def system(self) -> None:
        """Begins with a system message, or none; tools are listed in it."""
        roll = self.random.random()
        text = ""
        if self.json_only:
            text = self.book.say("json.system", self.random)
        elif roll < 0.45:
            text = DEFAULT_SYSTEM
        elif roll < 0.6:
            text = self.random.choice(SYSTEMS)
        if self.tools:
            lines = [structured.tool_line(tool) for tool in self.tools.values()]
            self.random.shuffle(lines)
            text = (text + "\n\n" if text else "") + "Tools:\n" + "\n".join(lines)
        if text:
            self.turns.append(Turn("system", text))


def smalltalk(chat: Chat) -> None:
    """One exchange of small talk."""
    kind = chat.random.choice(list(SMALLTALK))
    if (kind == "are_you_sure" and chat.last in ("recall", "tell", "add")) or (
        kind == "why" and chat.last == "refusal"
    ):
        follow(chat)
        return
    chat.say(chat.book.say(f"smalltalk.{kind}", chat.random), SMALLTALK[kind], kind)
    if kind == "joke" and chat.random.random() < 0.5:
        # By chance alone nobody would ever laugh.
        follow(chat)


def fact_of_corral(chat: Chat) -> None:
    """A question about Corral."""
    kind = chat.random.choice(list(CORRAL))
    said, answer = chat.book.say(f"corral.{kind}", chat.random), CORRAL[kind]
    roll = chat.random.random()
    if roll < 0.08:
        greeting = chat.random.choice(("Hi", "Hello", "Hey", "Good morning"))
        said = f"{greeting}{chat.random.choice(('!', ',', '.'))} {said}"
    elif roll < 0.12:
        name = memory.Fact("name", "", words.name(chat.random))
        forget(chat, name)
        chat.facts.append(name)
        said = f"{memory.tell(name, chat.book, chat.random)[0]} {said}"
        if chat.random.random() < 0.5:
            chat.say(said, answer, "corral", careful=True, given=True)
            recall(chat, len(chat.facts) - 1)
            return
        answer = f"Nice to meet you, {name.value}. {answer}"
    elif roll < 0.15:
        said = f"{said} {chat.random.choice(('Thanks!', 'Thank you.', 'I am new here.', 'I want to try it.', 'My friend asked me.'))}"
    chat.say(said, answer, "corral", careful=0.08 <= roll < 0.12)


def forget(chat: Chat, fact: memory.Fact) -> bool:
    """Drops what `fact` replaces; whether there was something."""
    old = [one for one in chat.facts if (one.relation, one.kind) == (fact.relation, fact.kind)]
    chat.facts = [one for one in chat.facts if one not in old]
    return bool(old)


def tell(chat: Chat) -> None:
    """Tells a new fact, or some at once."""
    random = chat.random
    if random.random() < 0.3:
        tell_some(chat)
        return
    fact = memory.new_fact(random)
    changed = forget(chat, fact)
    said, answer = memory.tell(fact, chat.book, random, change=changed)
    chat.facts.append(fact)
    given = random.random() < 0.08
    chat.say(said, random.choice(memory.NODS) if given else answer, "tell", given=given)


def tell_some(chat: Chat) -> None:
    """Tells two or three facts in one message; the answer that is given may take up one of them, or none."""
    random = chat.random
    facts, said = memory.introduction(chat.book, random)
    for fact in facts:
        forget(chat, fact)
    chat.facts += facts
    answers = [memory.fill(MEMORY[fact.relation].told, fact) for fact in facts]
    given = random.random() < 0.6
    answer = random.choice((answers[0], *answers, random.choice(memory.NODS))) if given else " ".join(answers)
    chat.say(said, answer, "tell", given=given)
    if random.random() < 0.6:
        if random.random() < 0.3:
            random.choice((fact_of_corral, smalltalk))(chat)
        if random.random() < 0.2:
            chat.say(*memory.ask_all(chat.facts, chat.book, random), "recall")
        else:
            recall(chat, len(chat.facts) - random.randint(1, len(facts)))


def change(chat: Chat) -> None:
    """Corrects a fact."""
    if not chat.facts:
        tell(chat)
        return
    old = chat.random.choice(chat.facts)
    fact = memory.Fact(old.relation, old.kind, memory.new_value(old.relation, old.kind, chat.random))
    chat.facts.remove(old)
    chat.facts.append(fact)
    chat.say(*memory.tell(fact, chat.book, chat.random, change=True), "tell")


def recall(chat: Chat, place: int | None = None) -> None:
    """Asks for a fact, sometimes for one that was never told."""
    random = chat.random
    if not chat.facts or random.random() < 0.22:
        fact = memory.new_fact(random)
        if chat.facts and random.random() < 0.65:
            fact = memory.beside(random.choice(chat.facts), random)
        known = any((one.relation, one.kind) == (fact.relation, fact.kind) for one in chat.facts)
        if not known:
            chat.say(*memory.ask_unknown(fact, chat.book, random), "unknown")
            return
    if not chat.facts:
        tell(chat)
        return
    if place is None and random.random() < 0.14:
        chat.say(*memory.ask_all(chat.facts, chat.book, random), "recall")
        return
    fact = chat.facts[place] if place is not None else random.choice(chat.facts)
    chat.say(*memory.ask(fact, chat.book, random), "recall")


def drill(chat: Chat, name: str | None = None) -> None:
    """A small task."""
    random, book = chat.random, chat.book
    name = name or random.choices(list(drills.DRILLS), (3, 5, 3, 2, 3))[0]
    further = "tasks.spell_again" in book
    own = next((one.value for one in reversed(chat.facts) if (one.relation, one.kind) == ("name", "")), "")
    if name == "spell" and own and further and random.random() < 0.3:
        chat.say(*drills.spell_own(own, book, random), name, rough=False)
    else:
        # Words that are spelled or copied stay as they are.
        chat.say(*drills.DRILLS[name](book, random), name, rough=name in ("count", "add"))
    while further and random.random() < 0.25 and (more := drills.again(name, chat.turns[-1].content, book, random)):
        chat.say(*more, name, rough=False)


def refuse(chat: Chat) -> None:
    """Something that it cannot do."""
    random = chat.random
    kind = random.choices(list(REFUSALS), _REFUSED)[0]
    if kind == "long" and chat.size > 900:
        kind = "knowledge"
    if kind == "news" and chat.tools:
        kind = "writing"
    if kind == "news" and random.random() < 0.3:
        no_tool(chat, random.choice(("weather", "time")))
        return
    said = refusals.question(kind, chat.book, random)
    chat.say(said, random.choice(REFUSALS[kind]), "refusal", rough=kind not in ("rubbish", "language", "long"))


def no_tool(chat: Chat, kind: str) -> None:
    """What a tool could do that is not offered."""
    value = words.city(chat.random) if kind != "search" else words.word(chat.random)
    said = chat.book.say(f"tools.{kind}", chat.random, v=value)
    chat.say(said, REFUSALS["action" if kind == "search" else "news"][0], "refusal")


def and_mine(chat: Chat) -> None:
    """After the model told its name or age, or the user did: the same of the other."""
    random = chat.random
    relation = "age" if "age" in chat.last or chat.last == "how_old" else "name"
    kind = "_age" if relation == "age" else ("_name" if chat.last == "name" else "")
    if chat.last in ("name", "age"):
        answer = SMALLTALK["how_old" if relation == "age" else "who_are_you"]
        chat.say(chat.book.say(f"followups.and_you{kind}", random), answer, "follow")
        return
    told = [fact for fact in chat.facts if fact.relation == relation]
    kept = MEMORY[relation]
    answer = memory.fill(kept.asked, told[-1]) if told else kept.unknown
    chat.say(chat.book.say(f"followups.and_mine{kind}", random), answer, "recall" if told else "unknown", careful=True)


def follow(chat: Chat) -> None:
    """A short reaction to the last answer."""
    random = chat.random
    if "followups.and_mine" in chat.book and chat.last in ("who_are_you", "how_old") and random.random() < 0.6:
        and_mine(chat)
        return
    if "followups.another_joke" in chat.book and chat.last == "joke" and random.random() < 0.7:
        kind, section = random.choice((("joke", "another_joke"), ("happy", "laugh")))
        chat.say(chat.book.say(f"followups.{section}", random), SMALLTALK[kind], kind)
        return
    sure = chat.book.say("followups.sure", random)
    if chat.last in ("recall", "tell"):
        chat.say(sure, SURE_FACT, "follow")
    elif chat.last == "add":
        chat.say(sure, SURE_SUM, "follow")
    elif chat.last == "refusal":
        chat.say(chat.book.say("followups.why_not", random), WHY_NOT, "follow")
    elif chat.last == "corral":
        kind = random.choice(("why", "are_you_sure", "thanks", "okay"))
        section = "followups.why" if kind == "why" and "followups.why" in chat.book else f"smalltalk.{kind}"
        chat.say(chat.book.say(section, random), SMALLTALK[kind], "follow")
    elif chat.last and random.random() < 0.6:
        section, kind = random.choice((("sure", "are_you_sure"), ("why", "why")))
        if f"followups.{section}" not in chat.book:
            section = "sure"
            kind = "are_you_sure"
        chat.say(chat.book.say(f"followups.{section}", random), SMALLTALK[kind], "follow")
    else:
        smalltalk(chat)


def as_json(chat: Chat) -> None:
    """An answer as JSON."""
    random = chat.random
    if "json.recall.many" in chat.book and not chat.json_only and random.random() < 0.3:
        many = structured.recall_many(chat.facts, chat.book, random)
        if many is not None:
            chat.say(*many, "json", rough=False)
            return
    if chat.facts and random.random() < 0.4:
        found = structured.recall(random.choice(chat.facts), chat.book, random, plain=chat.json_only)
        if found is not None:
            chat.say(*found, "json", rough=False)
            return
    roll = random.random()
    if roll < 0.3 and "json.extract.shape" in chat.book and not chat.json_only:
        chat.say(*structured.asked_by_keys(chat.book, random), "json", rough=False)
        return
    make = structured.extract if roll < 0.75 else structured.total
    chat.say(*make(chat.book, random, plain=chat.json_only), "json", rough=False)


def _asked_politely(said: str, random: Random) -> str:
    """Words around a question that are no part of what the tool is asked."""
    if random.random() < 0.3:
        said = said.rstrip("?.!")
    if random.random() < 0.12:
        said = said.rstrip("?.!") + random.choice((" please", " pls", ", thanks", ", please", " thx", " for me", "?"))
    if random.random() < 0.1:
        said = random.choice(("hey, ", "ok, ", "please ", "and ", "now ", "Hi! ", "Thanks. ", "quick: ")) + said
    return said if random.random() < 0.5 else said[0].lower() + said[1:]


def call_tool(chat: Chat) -> None:
    """A tool call, its result and the answer."""
    kind = chat.random.choice(list(chat.tools))
    said, call, result, answer = structured.use(kind, chat.tools[kind], chat.book, chat.random)
    chat.turns.append(Turn("user", _asked_politely(said, chat.random)))
    chat.turns.append(Turn("assistant", call))
    chat.turns.append(Turn("tool", result))
    chat.turns.append(Turn("assistant", answer))
    chat.last = "tool"


ACTS = (smalltalk, fact_of_corral, tell, change, recall, drill, refuse, follow, as_json)
WEIGHTS = (18, 25, 13, 4, 16, 13, 14, 9, 9)
