"""The corpus that the included model is trained on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools.cria import acts, answers, chats, kinds, memory, records, scenes, structured, words
from tools.cria.book import FOLDER, SHARES, Book, read
from tools.cria.grammar import expand
from tools.cria.heldout import FRESH, HELDOUT, alone, items, plain, stories
from tools.cria.template import prompt

from tests.support.scale import scaled

BOOK = Book(more=True)
SLOT = re.compile(r"<\w+>")
LEFT = re.compile(r"<\w|\w>|[{}|]")
ALLOWED = {
    "corral": set(), "smalltalk": set(), "followups": set(), "tools": {"<v>"}, "tasks": {"<w>", "<a>", "<b>", "<n>"},
    "json": {"<a>", "<b>", "<c>", "<s>", "<keys>", "<key>", "<shape>"}, "memory": {
        "<v>", "<k>", "<at>", "<v_not>", "<s>", "<name>", "<age>", "<job>", "<city>", "<like>", "<pet>", "<petname>",
    },
    "corrections": {"<old>", "<new>", "<x>"}, "refusals": {"<x>", "<y>", "<z>", "<n>", "<num>", "<big>", "<t>", "<s>"},
}  # fmt: skip


@pytest.mark.parametrize("folder", SHARES)
def test_every_pattern_can_be_said(folder: str) -> None:
    random = Random(1)
    for name, patterns in read(FOLDER / folder).items():
        for pattern in patterns:
            for _ in range(5):
                said = expand(pattern, random)
                assert said, name
                assert set(SLOT.findall(said)) <= ALLOWED[name.split(".")[0]], (name, pattern)
                assert "{" not in said
                assert "|" not in said


def test_a_told_fact_holds_its_value() -> None:
    random = Random(2)
    for relation in answers.MEMORY:
        for _ in range(300):
            fact = memory.Fact(relation, "zebu", "Quux")
            said, answer = memory.tell(fact, BOOK, random, change=random.random() < 0.3)
            assert "quux" in said.lower()
            assert "Quux" in answer


def test_an_introduction_holds_all_that_it_tells() -> None:
    random = Random(4)
    for _ in range(2000):
        facts, said = memory.introduction(BOOK, random)
        assert 2 <= len(facts) <= 3
        assert all(fact.value.lower() in said.lower() and fact.kind.lower() in said.lower() for fact in facts)
        assert not SLOT.search(said)


def test_a_scene_tells_what_its_answers_say() -> None:
    random = Random(7)
    for scene in scenes.read():
        assert scene.asked or scene.unknown, scene.said
        for _ in range(4):
            told = scenes.play(scene, random)
            assert not LEFT.search(told.said + "".join(told.unknown)), scene.said
            for one in told.asked:
                said, answer = told.question(one, random)
                assert not LEFT.search(said + answer), scene.said
                assert told.values[one.key].lower() in told.said.lower(), scene.said
                assert told.values[one.key] in answer, scene.said


@pytest.mark.parametrize(
    ("said", "answer", "expected"),
    [
        ("Tom does the <v:word> here", "Tom looks after the <v>.", "You said {v}."),
        ("Tom is a <v:job>", "Tom works as a <v>.", "You said a {v}."),
        ("I am <v:name>", "Your name is <v>.", "Your name is {v}."),
    ],
)
def test_a_scene_is_answered_with_the_value_alone(said: str, answer: str, expected: str) -> None:
    told = scenes.play(scenes.Scene(said, [scenes.Asked("v", ("which?",), answer)]), Random(5))
    given = told.question(told.asked[0], Random(5))[1]
    assert given.replace("said an ", "said a ") == expected.format(**told.values)


def test_a_scene_that_is_corrected_answers_with_the_new_value() -> None:
    random = Random(8)
    for _ in range(200):
        told = scenes.draw(random)
        if told.asked:
            said, after = told.corrected(BOOK, random, at_once=random.random() < 0.5)
            changed = [key for key in told.values if told.values[key] != after.values[key]]
            assert len(changed) <= 1
            assert all(after.values[key].lower() in said.lower() for key in changed)


def test_scenes_of_one_conversation_do_not_contradict_each_other() -> None:
    own = scenes.Asked("me", ("Who am I?", "my name"), "Your name is <me>.")
    told = scenes.play(scenes.Scene("I am <me:name>", [own]), Random(1))
    dog = scenes.Asked("dog", ("What is the dog called?",), "Your dog is called <dog>.")
    other = scenes.play(
        scenes.Scene("The dog: <dog:name>", [dog], ["What is my name?", "Which colour is it?"]), Random(2)
    )
    assert not told.fits([other, scenes.play(scenes.Scene("<me:name> here", [own]), Random(3))])
    assert told.fits([other])
    assert other.untold([other]) == ["What is my name?", "Which colour is it?"]
    assert other.untold([told, other]) == ["Which colour is it?"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("T hello", "no line of a scene"),
        ("Q a: what? => It is <a>.", "no line of a scene"),
        ("S I am here\nQ a: what? => It is <a>.", "does not tell"),
        ("S I am <a:name>\nQ a: what? => It is so.", "does not tell"),
        ("S I am <a:name>\nQ a: what?", "no line of a scene"),
    ],
)
def test_a_scene_that_is_written_wrongly_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "x.txt").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=says):
        scenes.read(tmp_path)


def test_a_record_holds_its_values() -> None:
    random = Random(9)
    for record in records.read():
        for _ in range(4):
            said, values = records.play(record, random)
            assert not LEFT.search(said), record
            assert values, record
            assert all(value in said for value in values.values() if isinstance(value, str)), record
            assert json.loads(records.as_json(values, records.some(values, random))).items() <= values.items()


def test_values_of_every_type_survive_a_sentence_and_json() -> None:
    random = Random(6)
    for kind in kinds.KINDS:
        for _ in range(scaled(100, 2000)):
            shown = kinds.value(kind, random)
            assert shown == " ".join(shown.split()), (kind, shown)
            assert shown.isprintable(), (kind, shown)
            assert not set('<>{}|"') & set(shown), (kind, shown)
            assert not kinds.NUMBERS & {kind} or isinstance(structured.typed(shown), int), (kind, shown)
    with pytest.raises(KeyError):
        kinds.value("nonsense", random)


def test_a_scene_can_be_asked_for_as_json() -> None:
    random = Random(7)
    for _ in range(scaled(300, 5000)):
        told = scenes.draw(random)
        if told.asked:
            question, answer = told.in_json(random.choice(told.asked), random)
            ((key, value),) = json.loads(answer).items()
            assert key in question
            assert told.values[key] in (value, str(value), words.ONES[value] if value in range(21) else None)


def test_an_answer_that_is_given_is_not_learnt() -> None:
    """Another model may have taken up one fact of several: what matters is that all of them are found again."""
    random, found = Random(4), 0
    for _ in range(200):
        chat = acts.Chat(random, BOOK)
        acts.tell_some(chat)
        told = [turn for turn in chat.turns if turn.given]
        assert all(turn.role == "assistant" for turn in told)
        found += len(told)
    assert 60 < found < 180


def test_every_intent_has_many_wordings() -> None:
    sections = BOOK.sections()
    few = {name: sections.get(f"corral.{name}", 0) for name in answers.CORRAL}
    few |= {name: sections.get(f"smalltalk.{name}", 0) for name in answers.SMALLTALK}
    assert {name: count for name, count in few.items() if count < 25} == {}


@given(st.integers(0, 2**32), st.booleans(), st.floats(0, 1))
def test_conversations_are_whole(seed: int, more: bool, warm: float) -> None:
    turns = chats.chat(BOOK if more else Book(more=False), Random(seed), warm)
    roles = [turn.role for turn in turns if turn.role != "system"]
    assert roles
    assert roles[-1] == "assistant"
    for before, role in zip(["assistant", *roles], roles, strict=False):
        assert (before, role) in {
            ("assistant", "user"),
            ("user", "assistant"),
            ("assistant", "tool"),
            ("tool", "assistant"),
        }
    assert all(turn.content.strip() for turn in turns)
    assert prompt(turns).count("<|im_start|>") == len(turns) + 1


def test_sums_and_json_are_right() -> None:
    random = Random(4)
    for _ in range(scaled(300, 5000)):
        for turn in chats.chat(BOOK, random):
            if turn.role == "assistant" and turn.content.startswith("{"):
                assert isinstance(json.loads(turn.content), dict)
            found = re.fullmatch(r"(\d+) plus (\d+) is (\d+)\.", turn.content)
            if found and turn.role == "assistant":
                left, right, total = map(int, found.groups())
                assert left + right == total


def test_no_held_out_question_is_trained_on() -> None:
    """Questions that stand alone. In a conversation the facts differ, though "What is my name?" is asked in both."""
    random = Random(5)
    said = {
        plain(turn.content)
        for _ in range(scaled(2000, 50_000))
        for turn in chats.chat(BOOK, random)
        if turn.role == "user"
    }
    assert alone() & said == set()
    for folder in SHARES:
        for patterns in read(FOLDER / folder).values():
            said |= {expand(pattern, random) for pattern in patterns for _ in range(scaled(30, 300))}
    for examination in (HELDOUT, FRESH):
        questions = {item.chat[0]["content"] for item in items(folder=examination) if len(item.chat) == 1}
        assert len(questions) > 130
        assert len(list(stories(examination))) == 20
        assert questions & said == set()


def regex_of(pattern: str) -> re.Pattern[str]:
    """All that a pattern can say, `plain` and without spaces; ways through a slot match nothing."""
    signs = {"{": "(?:", "}": ")", "|": "|", " ": "", "<": "(?!)", ">": ""}
    bare = re.sub(r"[?.!,;:'\"]", "", SLOT.sub("<>", pattern.lower()))
    text = "".join(signs.get(one, re.escape(one)) for one in bare)
    return re.compile(text)


@pytest.mark.parametrize("folder", ["wide", "broad", "loose", "around"])
def test_no_later_wording_can_become_a_held_out_question(folder: str) -> None:
    """Without drawing: whether a pattern has a way to say one."""
    found = [
        (name, question)
        for name, patterns in read(FOLDER / folder).items()
        for pattern in patterns
        for possible in [regex_of(pattern)]
        for question in alone()
        if possible.fullmatch(question.replace(" ", ""))
    ]
    assert found == []


@pytest.mark.parametrize("pattern", ["{a|b", "a}", "a|b", "{a|{b}"])
def test_a_broken_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"brace|bar"):
        expand(pattern, Random(0))
