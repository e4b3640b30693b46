"""The rules of the house are enforced: each breach, put into a copy, is found."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.conftest import ROOT


def lint_imports(copy: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    command = [str(program), "--no-cache"]
    return subprocess.run(
        command, cwd=copy, env={"PYTHONPATH": str(copy / "src")}, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("house")
    ignored = shutil.ignore_patterns("__pycache__", "*.gguf", "web_dist", "included")
    shutil.copytree(ROOT / "src" / "corral", copy / "src" / "corral", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def test_the_house_as_it_is_keeps_the_order_of_imports(house: Path) -> None:
    done = lint_imports(house)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "breach"),
    [
        ("kit/clock.py", "import corral.agents"),
        ("store/schema.py", "def late() -> None:\n    from corral.agents import service"),
        ("bus/ports.py", "import corral.store"),
        ("realtime/__init__.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import corral.surfaces"),
        ("strangers/__init__.py", ""),
    ],
)
def test_an_import_upwards_or_sideways_is_found(house: Path, file: str, breach: str) -> None:
    path = house / "src" / "corral" / file
    before = path.read_text() if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{before or ''}\n{breach}\n")
    try:
        done = lint_imports(house)
    finally:
        if before is None:
            shutil.rmtree(path.parent)
        else:
            path.write_text(before)
    assert done.returncode == 1, done.stdout + done.stderr
    assert file.removesuffix(".py").split("/")[0] in done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project that keeps all gates."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "gates.py", tmp_path / "tools")
    shutil.copytree(ROOT / "docs" / "rooms", tmp_path / "docs" / "rooms")
    for page in (tmp_path / "docs" / "rooms").glob("*.md"):
        page.write_text("# A room\n")
    (tmp_path / "src" / "corral").mkdir(parents=True)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "web").mkdir()
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def gates(project: Path) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "tools/gates.py"], cwd=project, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


LONG_FUNCTION = "def long() -> None:\n" + "    pass\n" * 50


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("src/corral/long.py", "x = 1\n" * 601, "601 lines"),
        ("web/long.tsx", "//\n" * 601, "601 lines"),
        ("src/corral/function.py", LONG_FUNCTION, "long has 51 lines"),
        ("src/corral/method.py", "class A:\n" + textwrap.indent("async " + LONG_FUNCTION, "    "), "long has 51 lines"),
        ("src/corral/utils.py", "", "'utils' says nothing"),
        ("src/corral/a/manager.py", "", "'manager' says nothing"),
        ("src/corral/state.py", "def f() -> None:\n    global x\n    x = 1\n", "no 'global'"),
        ("src/corral/env.py", "import os\nos.environ['A']\n", "only settings reads the environment"),
        ("src/corral/env.py", "import os\nos.getenv('A')\n", "only settings reads the environment"),
        ("src/corral/env.py", "from os import environ\n", "only settings reads the environment"),
        ("docs/page.md", "[there](nowhere.md)\n", "link to nowhere.md"),
        ("requirements/x.txt", "--index-url https://example.org\n", "names an index"),
        ("web/package-lock.json", '{"resolved": "https://example.org/x.tgz"}', "download addresses"),
    ],
)
def test_each_breach_of_a_gate_is_found(project: Path, file: str, text: str, told: str) -> None:
    assert gates(project) == (0, "gates: all hold\n")
    path = project / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    code, said = gates(project)
    assert code == 1
    assert told in said
    assert str(file) in said


def test_a_room_without_a_page_is_found(project: Path) -> None:
    (project / "docs" / "rooms" / "store.md").unlink()
    assert gates(project) == (1, "docs/rooms/store.md is missing\n")


def test_what_is_within_the_bounds_passes(project: Path) -> None:
    (project / "src" / "corral" / "wide.py").write_text("x = 1\n" * 600)
    (project / "src" / "corral" / "function.py").write_text(LONG_FUNCTION.removesuffix("    pass\n"))
    code, said = gates(project)
    assert code == 0
    assert "warning: src/corral/wide.py" in said
