"""The failure table: what a client sees of every failure, in every phase and dialect. See `tests.support.failover`."""

from __future__ import annotations

from pathlib import Path

from tests.support.failover import document
from tests.support.failover.cells import every, thinned
from tests.support.failover.driving import drive
from tests.support.failover.faults import BY_NAME
from tests.support.failover.rules import broken
from tests.support.scale import THOROUGH

AGAIN = "python -m tests.support.failover writes the table anew"


def test_the_page_is_what_the_table_gives() -> None:
    assert document.page(document.read_outcomes()) == document.PAGE.read_text(encoding="utf-8"), AGAIN


def test_thinned_cells_still_have_every_failure_phase_dialect_and_candidate() -> None:
    cells, chosen = every(), thinned(every())
    assert len(chosen) < len(cells) / 5
    for value in ("dialect", "company", "first"):
        met = {(cell.fault, cell.phase, cell.streaming, getattr(cell, value)) for cell in cells}
        assert met == {(cell.fault, cell.phase, cell.streaming, getattr(cell, value)) for cell in chosen}


async def test_every_failure_ends_as_the_table_says(tmp_path: Path) -> None:
    cells = every() if THOROUGH else thinned(every())
    wanted = document.read_outcomes()
    outcomes = await drive(cells, tmp_path / "first")
    # Where a deadline decides, a machine that stood still for a second looks like a provider that did.
    late = [
        cell for cell, one in outcomes.items()
        if BY_NAME[cell.fault].deadline and (broken(cell, one) or document.word(cell, one) != wanted[cell])
    ]  # fmt: skip
    if 0 < len(late) < 20:
        outcomes |= await drive(late, tmp_path / "again")
    flaws = [f"{cell.group} | {cell.place}: {found}" for cell, one in outcomes.items() for found in broken(cell, one)]
    assert not flaws, "\n".join(flaws)
    found = {cell: document.word(cell, one) for cell, one in outcomes.items()}
    others = [
        f"{cell.group} | {cell.place}: {one}, not {wanted[cell]}" for cell, one in found.items() if one != wanted[cell]
    ]
    assert not others, "\n".join([*others, AGAIN])
