"""Whatever is written and wherever the process is killed: all that was acknowledged is there, in order, and nothing half."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from corral.store import Database, Location
from tests.conftest import ROOT
from tests.support.scale import scaled

State = dict[int, str]
Operation = tuple[str, int, str]

PROGRAM = ROOT / "tests" / "fakes" / "store_writer.py"
operations = st.tuples(
    st.sampled_from(["put", "put", "delete", "fail"]), st.integers(0, 5), st.sampled_from(["", "a", "é🦙", "x" * 9000])
)
groups = st.lists(st.lists(operations, min_size=1, max_size=6), min_size=1, max_size=8)
ends = st.one_of(
    st.just(""),
    st.tuples(st.sampled_from(["store.before_commit", "store.after_commit"]), st.integers(1, 6)),
    st.integers(0, 20),
)


def after(state: State, operation: Operation) -> State:
    kind, key, value = operation
    if kind == "fail":
        return state
    rest = {other: kept for other, kept in state.items() if other != key}
    return rest if kind == "delete" else {**rest, key: value}


async def stored(file: Path) -> State:
    database = await Database.open(Location(file))
    try:
        rows: Any = await database.read(lambda connection: connection.execute(text("SELECT k, v FROM kept")).all())
        assert await database.read(lambda connection: connection.scalar(text("PRAGMA integrity_check"))) == "ok"
        return {row.k: row.v for row in rows}
    finally:
        await database.close()


def live(file: Path, work: list[list[Operation]], end: Any) -> list[str]:
    """One life of the writer: what it acknowledged until its end."""
    faultpoint = f"{end[0]}:{end[1]}" if isinstance(end, tuple) else ""
    writer = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(file), faultpoint],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert writer.stdin is not None
    assert writer.stdout is not None
    try:
        # It may be gone before it has read all.
        with contextlib.suppress(BrokenPipeError):
            writer.stdin.write("".join(json.dumps(group) + "\n" for group in work))
            writer.stdin.flush()
        told = []
        if isinstance(end, int):
            count = min(end, sum(map(len, work)))
            told = [writer.stdout.readline() for _ in range(count)]
            # With none to wait for the table must still be made; its first acknowledgement shows that it is.
            told += [] if count else [writer.stdout.readline()]
            writer.kill()
        rest, _ = writer.communicate(timeout=60)
        if end == "":
            assert writer.returncode == 0
        return [line for line in ("".join(told) + rest).splitlines(keepends=True) if line.endswith("\n")]
    finally:
        writer.kill()
        writer.wait()


# A life takes a second; making a failure smaller would take minutes.
@settings(max_examples=scaled(4, 300), phases=[Phase.generate])
@given(lives=st.lists(st.tuples(groups, ends), min_size=2, max_size=2))
def test_the_store_is_a_dictionary_that_survives_kills(lives: list[tuple[list[list[Operation]], Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "corral.db"
        state: State = {}
        for work, end in lives:
            told = live(file, work, end)
            flat = [operation for group in work for operation in group]
            expected = [
                f"{'failed' if kind == 'fail' else 'done'} {place}\n" for place, (kind, _, _) in enumerate(flat)
            ]
            # Answers come in the order of the questions, except that a failure of a group is told behind its successes.
            assert sorted(told) == sorted(set(told) & set(expected))
            first = 0
            while first < len(flat) and expected[first] in told:
                first += 1
            states = [state]
            for operation in flat:
                states.append(after(states[-1], operation))
            # What was under way may be there or not, but only as a beginning of it.
            least = max((place + 1 for place, line in enumerate(expected) if line in told), default=0)
            found = asyncio.run(stored(file))
            assert found in states[least:], (found, least, told)
            if end == "":
                assert first == len(flat)
            state = found
