"""The included model in the real engine: what it can do, by skill, and that it says what torch says."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tools.cria import refusals, words
from tools.cria.book import Book
from tools.cria.evaluate import Examiner
from tools.cria.heldout import FRESH, Result, items, stories, tool

from tests.support.scale import scaled
from tests.support.server import Server

# All questions are asked before the first test, beside whatever else is at work.
pytestmark = [pytest.mark.alone, pytest.mark.timeout(600)]
REFERENCE = Path(__file__).parents[1] / "data" / "cria_reference.jsonl"
FLOORS = {
    "corral": 0.94, "followups": 0.90, "json": 0.97, "memory": 0.94, "recall far back": 0.92, "refusals": 0.91,
    "smalltalk": 0.92, "tasks": 0.95, "tools": 0.93,
}  # fmt: skip
"""A little below what these weights reach (docs/rooms/cria.md has the figures, and what is aimed at)."""
OVERALL, NEWCOMERS, STORIES = 0.945, 0.97, 0.9
FRESH_FLOORS = {
    "corral": 0.93, "facts": 0.89, "followups": 0.86, "json": 0.92, "refusals": 0.92, "small talk": 0.88, "tasks": 0.90,
    "tools": 0.93,
}  # fmt: skip
FRESH_OVERALL, FRESH_NEWCOMERS = 0.94, 0.98
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def examiner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Examiner]:
    server = Server(tmp_path_factory.mktemp("cria"), scripted=False)
    server.start()
    yield Examiner(f"{server.url}/v1", "cria")
    server.stop()


@pytest.fixture(scope="module")
def results(examiner: Examiner) -> dict[str, list[Result]]:
    """Every third question of `heldout/`; all of them in `make test-faults`."""
    found = defaultdict(list)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(examiner.examine, list(items())[:: scaled(3, 1)]):
            found[result.item.skill].append(result)
    return found


@pytest.mark.parametrize("skill", FLOORS)
def test_each_skill_reaches_its_floor(results: dict[str, list[Result]], skill: str) -> None:
    wrong = [(one.item.chat[-1]["content"], one.answer, one.wrong) for one in results[skill] if one.wrong]
    assert 1 - len(wrong) / len(results[skill]) >= FLOORS[skill], wrong


def test_all_skills_together(results: dict[str, list[Result]]) -> None:
    every = [one for found in results.values() for one in found]
    assert sum(not one.wrong for one in every) / len(every) >= OVERALL


def test_newcomers_get_on(examiner: Examiner) -> None:
    chats = [examiner.story(story) for story in stories()]
    turns = [turn for chat in chats for turn in chat]
    wrong = [(turn.item.chat[-1]["content"], turn.answer, turn.wrong) for turn in turns if turn.wrong]
    assert 1 - len(wrong) / len(turns) >= NEWCOMERS, wrong
    assert sum(not any(turn.wrong for turn in chat) for chat in chats) / len(chats) >= STORIES, wrong


def test_fresh_questions_reach_their_floors(examiner: Examiner) -> None:
    """Sums alone: whoever reads one of these questions can no longer improve the generator."""
    marks = defaultdict(list)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(examiner.examine, items(folder=FRESH)):
            marks[result.item.skill].append(not result.wrong)
    reached = {skill: sum(found) / len(found) for skill, found in marks.items()}
    assert set(reached) == set(FRESH_FLOORS)
    assert {skill: share for skill, share in reached.items() if share < FRESH_FLOORS[skill]} == {}
    assert sum(map(sum, marks.values())) / sum(map(len, marks.values())) >= FRESH_OVERALL


def test_fresh_newcomers_get_on(examiner: Examiner) -> None:
    marks = [not turn.wrong for story in stories(FRESH) for turn in examiner.story(story)]
    assert sum(marks) / len(marks) >= FRESH_NEWCOMERS


def test_it_says_what_torch_says(examiner: Examiner) -> None:
    lines = [json.loads(line) for line in REFERENCE.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 100
    different = [
        (line["answer"], said) for line in lines if (said := examiner.ask(line["chat"])["content"]) != line["answer"]
    ]
    # The engine rounds what flows between the layers to eight bits, torch does not: a letter that hangs in the balance may fall either way.
    assert len(different) <= 1, different


def test_a_schema_is_followed(examiner: Examiner) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}}
    for name in ("Ana", "Boris", "Chloe"):
        chat = [{"role": "user", "content": f"My name is {name}. Give me my name as JSON."}]
        assert json.loads(examiner.ask(chat, response_format=form)["content"]) == {"name": name}


def test_a_tool_is_called_and_its_result_told(examiner: Examiner) -> None:
    chat: list[dict[str, Any]] = [{"role": "user", "content": "What is the weather in Paris?"}]
    offered = [tool("get_weather", "city")]
    message = examiner.ask(chat, offered)
    call = message["tool_calls"][0]
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    chat += [message, {"role": "tool", "tool_call_id": call["id"], "content": "sunny, 21 degrees"}]
    assert examiner.ask(chat, offered)["content"] == "The tool says: sunny, 21 degrees"


def test_no_answer_runs_on(examiner: Examiner) -> None:
    """Random prompts of every kind, sampled as chats are: all but very few answers end by themselves, and the limit ends those."""
    random, book = Random(7), Book(more=True)
    kinds = ("knowledge", "code", "writing", "language", "rubbish", "rubbish", "advice")
    asked = [refusals.question(random.choice(kinds), book, random) for _ in range(scaled(100, 2000))]
    asked += [" ".join(words.word(random) for _ in range(random.randint(1, 30))) for _ in range(scaled(30, 500))]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda text: examiner.ask([{"role": "user", "content": text}], temperature=0.2), asked))
    cut = [(text, one) for text, one in zip(asked, answers, strict=True) if one["finish"] != "stop"]
    assert len(cut) <= len(asked) // 100, cut
