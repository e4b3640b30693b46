"""Gates that no linter has: sizes of files and functions, forbidden names, what a package may contain.

Run by `make check`; prints each breach and leaves with 1 when there is one.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WARN_LINES, FAIL_LINES = 400, 600
FUNCTION_LINES = 50
FORBIDDEN_STEMS = {"utils", "util", "helpers", "helper", "common", "manager", "core", "misc"}
ENVIRONMENT = {"environ", "getenv"}
ROOMS_WITH_PAGE = ("agents", "engines", "inference", "models", "realtime", "store", "surfaces", "bus")


def tracked(*patterns: str) -> list[Path]:
    """Files of the project, tracked or new, that match."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [ROOT / line for line in listing.stdout.splitlines() if (ROOT / line).is_file()]


def breaches() -> Iterator[str]:
    """All breaches of the gates."""
    code = tracked("*.py", "*.ts", "*.tsx")
    for path in code:
        name = path.relative_to(ROOT)
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > FAIL_LINES:
            yield f"{name}: {lines} lines, at most {FAIL_LINES}"
        elif lines > WARN_LINES:
            print(f"warning: {name}: {lines} lines, better under {WARN_LINES}")
        if path.stem in FORBIDDEN_STEMS:
            yield f"{name}: the name '{path.stem}' says nothing"
        if path.suffix == ".py":
            yield from _python(path, str(name))
    for room in ROOMS_WITH_PAGE:
        if not (ROOT / "docs" / "rooms" / f"{room}.md").is_file():
            yield f"docs/rooms/{room}.md is missing"
    yield from _links()
    yield from _locks()


def _python(path: Path, name: str) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=name)
    source = name.startswith("src/")
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield f"{name}:{node.lineno}: no 'global'"
        if source and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines, at most {FUNCTION_LINES}"
        if source and not name.startswith("src/corral/settings/") and _reads_environment(node):
            yield f"{name}:{getattr(node, 'lineno', 0)}: only settings reads the environment"


def _reads_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(entry.name in ENVIRONMENT for entry in node.names)
    return (
        isinstance(node, ast.Attribute)
        and node.attr in ENVIRONMENT
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    )


def _links() -> Iterator[str]:
    for page in tracked("*.md"):
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            if "://" not in target and not (page.parent / target).exists():
                yield f"{page.relative_to(ROOT)}: link to {target}, which is not there"


def _locks() -> Iterator[str]:
    for lock in (ROOT / "requirements").glob("*.txt"):
        if re.search(r"^\s*--(index-url|extra-index-url|find-links|trusted-host)", lock.read_text(), re.MULTILINE):
            yield f"{lock.relative_to(ROOT)}: names an index"
    lock = ROOT / "web" / "package-lock.json"
    if lock.is_file() and '"resolved": "http' in lock.read_text(encoding="utf-8"):
        yield "web/package-lock.json: names download addresses"


if __name__ == "__main__":
    found = list(breaches())
    print("\n".join(found) if found else "gates: all hold")
    sys.exit(1 if found else 0)
