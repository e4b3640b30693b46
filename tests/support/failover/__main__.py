"""Drives all cells and writes the table anew; leaves with 1 when a cell breaks what holds in every one."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.support.failover import document
from tests.support.failover.cells import every
from tests.support.failover.driving import drive
from tests.support.failover.rules import broken


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        outcomes = asyncio.run(drive(every(), Path(folder)))
    flaws = [f"{cell.group} | {cell.place}: {found}" for cell, one in outcomes.items() for found in broken(cell, one)]
    for flaw in flaws:
        print(flaw)
    document.write_outcomes({cell: document.word(cell, one) for cell, one in outcomes.items()})
    document.PAGE.write_text(document.page(document.read_outcomes()), encoding="utf-8")
    print(f"{len(outcomes)} cells, {len(flaws)} flaws; wrote {document.OUTCOMES} and {document.PAGE}")
    return 1 if flaws else 0


if __name__ == "__main__":
    sys.exit(main())
