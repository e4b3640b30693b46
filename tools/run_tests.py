"""Runs all tests in three groups: web, those that share the machine, those that want as much of it as they can get.

Tests that failed are run once more, one at a time; one that passes then is named as flaky, in the open, and does
not fail the run when there are at most three of them. Prints pytest's closing line of each group and the total.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_FLAKY = 3
LISTED = 25
WORKERS = (("4", "not alone"), ("3", "alone"))
"""More than there are cores: tests wait a third of their time, for a sleep, a deadline or a page."""
GROUP_SECONDS = 1500
"""A test that hangs is ended by its own limit (pyproject.toml); this one is for what happens outside of tests."""


@dataclass
class Group:
    """What one run of pytest counted."""

    counts: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    """Of each file, fixtures included."""
    exit_code: int = 0


def pytest(*arguments: str) -> Group:
    """Runs pytest and reads its report."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", *arguments, f"--junitxml={report}", "--durations=8"]
        group = Group()
        try:
            group.exit_code = subprocess.run(command, cwd=ROOT, check=False, timeout=GROUP_SECONDS).returncode
        except subprocess.TimeoutExpired:
            print(f"\nended: this group took over {GROUP_SECONDS} s")
            group.exit_code = -1
        if report.is_file():
            read_report(report, group)
    return group


def read_report(report: Path, group: Group) -> None:
    """Adds the outcomes of a JUnit report to `group`."""
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        file = node_id(case.get("classname", ""), "").removesuffix("::")
        group.seconds[file] = group.seconds.get(file, 0) + float(case.get("time", 0))
        if case.find("failure") is not None or case.find("error") is not None:
            group.counts["failed"] += 1
            group.failed.append(node_id(case.get("classname", ""), case.get("name", "")))
        elif case.find("skipped") is not None:
            group.counts["skipped"] += 1
        else:
            group.counts["passed"] += 1


def marked() -> list[str]:
    """The files with tests marked as alone, so that no worker has to load the others to find that they are not."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if "pytest.mark.alone" in file.read_text(encoding="utf-8")]


def node_id(classname: str, name: str) -> str:
    """pytest's address of a test from the names in the report."""
    parts = classname.split(".")
    for length in range(len(parts), 0, -1):
        path = Path(*parts[:length]).with_suffix(".py")
        if (ROOT / path).is_file():
            return "::".join([str(path), *parts[length:], name])
    return ""


def longest(group: Group) -> str:
    """The files that took longest."""
    ordered = sorted(group.seconds.items(), key=lambda one: -one[1])
    return ", ".join(f"{file.removeprefix('tests/')} {took:.0f} s" for file, took in ordered[:LISTED])


def second_try(group: Group) -> list[str]:
    """Runs the failed tests again, alone; moves those that pass and returns their names."""
    names = sorted({name for name in group.failed if name})
    if not names or len(names) > MAX_FLAKY or len(names) != len(set(group.failed)):
        return []
    print(f"\nsecond try, one at a time, of {len(names)} failed test(s)")
    again = pytest(*names)
    flaky = [name for name in names if name not in again.failed] if again.counts["passed"] else []
    group.counts["failed"] -= len(flaky)
    group.counts["passed"] += len(flaky)
    return flaky


def main() -> int:
    """Runs the groups; 0 when nothing failed."""
    started = time.monotonic()
    web = subprocess.run(["npm", "--prefix", "web", "run", "--silent", "test"], cwd=ROOT, check=False).returncode
    total: Counter[str] = Counter()
    flaky: list[str] = []
    broken = False
    for workers, which in WORKERS:
        # By file, in the order that tests/conftest.py gives them.
        order = ("--dist", "loadfile", "--no-loadscope-reorder")
        group = pytest("-n", workers, *order, "-m", which, *(marked() if which == "alone" else ()))
        print(f"longest of {sum(group.seconds.values()):.0f} s: {longest(group)}")
        flaky += second_try(group)
        total.update({key: group.counts[key] for key in ("passed", "failed", "skipped")})
        broken = broken or (group.exit_code not in (0, 1, 5)) or group.counts["passed"] == 0
    for name in flaky:
        print(f"flaky: {name} failed once and passed alone; it needs mending")
    print(f"took {time.monotonic() - started:.0f} s; web tests {'passed' if web == 0 else 'FAILED'}")
    print(f"total: {total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if web or total["failed"] or broken else 0


if __name__ == "__main__":
    sys.exit(main())
