"""The examples of the guide to the library run as they stand there, with scripted programs in place of the providers elsewhere."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import ROOT
from tests.support.providers import FakeProvider, fake_provider

PAGE = (ROOT / "docs" / "guides" / "library.md").read_text()
EXAMPLES = re.findall(r"^## (.*?)$|^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    """Each example with the heading that it stands under."""
    found, heading = [], ""
    for title, code in EXAMPLES:
        if title:
            heading = title
        else:
            found.append((heading, code))
    return found


SAYS = [
    ("Ask", ["private AI service", "local cria"]),
    ("Ask", ["private AI service"]),
    ("Providers, routes and limits", ["Because they can. anthropic 2"]),
    ("Streams", ["private AI service", "stop"]),
    ("Answers of a type", ["Horse(name="]),
    ("Conversations, images and tools", []),
]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[tuple[FakeProvider, FakeProvider]]:
    with (
        fake_provider("openai", {"status": 500}) as openai,
        fake_provider("anthropic", {"text": "Because they can."}) as anthropic,
    ):
        yield openai, anthropic


def test_every_example_is_known() -> None:
    assert [heading for heading, _ in blocks()] == [heading for heading, _ in SAYS]


@pytest.mark.parametrize(("number", "says"), list(enumerate(told for _, told in SAYS)))
def test_an_example_runs(
    number: int,
    says: list[str],
    elsewhere: tuple[FakeProvider, FakeProvider],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    code = blocks()[number][1]
    for fake, address in zip(elsewhere, ("https://api.openai.com/v1", "https://api.anthropic.com"), strict=True):
        code = code.replace(address, fake.base_url)
    module = ModuleType("example")
    # Dataclasses look their module up.
    monkeypatch.setitem(sys.modules, "example", module)
    exec(compile(code, f"library.md, example {number}", "exec"), module.__dict__)
    told = capsys.readouterr().out
    assert all(one in told for one in says), told
