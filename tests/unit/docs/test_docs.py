"""The documents say what is there: links lead somewhere, commands exist, code can be read."""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from corral.cli.main import app
from corral.settings import Settings
from tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ROOMS = sorted(path.parent.name for path in (ROOT / "src" / "corral").glob("*/__init__.py"))
LATER = {"analytics", "jobs", "included"}
"""Rooms that hold nothing yet, and the folder of the included model."""
CODE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def code(page: Path, *kinds: str) -> list[str]:
    return [text for kind, text in CODE.findall(page.read_text()) if kind in kinds]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_code_can_be_read(page: Path) -> None:
    for text in code(page, "python"):
        ast.parse(text)
    for text in code(page, "json"):
        json.loads(text)
    for text in code(page, "toml"):
        given = tomllib.loads(text)
        assert Settings.model_validate(given)
    for text in code(page, "sh"):
        for line in commands(text):
            shlex.split(line, comments=True)


def commands(text: str) -> list[str]:
    """One each; a line that ends inside of a quotation goes on in the next."""
    found: list[str] = []
    half = ""
    for line in text.replace("\\\n", " ").splitlines():
        half += line
        if half.strip() and half.count("'") % 2 == 0:
            found.append(half)
            half = ""
    return [*found, half] if half else found


def spoken(page: Path) -> list[list[str]]:
    """Every command line in code blocks, and every `corral …` and `make …` in the text."""
    found = [shlex.split(line, comments=True) for text in code(page, "sh") for line in commands(text)]
    prose = CODE.sub("", page.read_text())
    return found + [phrase.split() for phrase in re.findall(r"`((?:corral|make) [^`]+)`", prose)]


@pytest.mark.parametrize("page", [page for page in PAGES if "CHANGELOG" not in page.name], ids=name)
def test_commands_exist(page: Path) -> None:
    for words in spoken(page):
        program = words[0].rsplit("/", 1)[-1] if words else ""
        if program == "make":
            targets = [word for word in words[1:] if "=" not in word and not word.startswith("-")]
            assert set(targets) <= TARGETS, words
        elif program == "corral":
            check_command(words[1:])


def check_command(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    while words and getattr(command, "commands", None):
        if words[0].startswith("-") or words[0] in ("…", "COMMAND"):
            return
        assert words[0] in command.commands, f"corral has no {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word.split("=")[0] for word in words if word.startswith("--")} <= known, words


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in LATER])
def test_every_room_has_a_page(room: str) -> None:
    covered = (ROOT / "docs" / "rooms").rglob("*.md")
    assert room in {page.stem for page in covered}
