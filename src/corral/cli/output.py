"""Prints for people and, with `--json`, for programs."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

_KEPT = "\n\t"


def plain(text: str) -> str:
    """Text that cannot steer a terminal: control characters, escapes and changes of direction are left out."""
    return "".join(
        one for one in text if one in _KEPT or unicodedata.category(one) not in ("Cc", "Cf", "Cs") or one == "‍"
    )


def print_json(value: Any) -> None:
    """One JSON value."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns; on a terminal with rich's rules, else plain."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    for name in head:
        made.add_column(name, justify="right" if name in ("size", "context") else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(plain(cell)) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200
    console.print(made)


def human_size(size: int | None) -> str:
    """Bytes with a unit, as 1.5 GB; empty for None."""
    if size is None:
        return ""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def human_count(count: int | None) -> str:
    """A large number, as 7.2 B; empty for None."""
    if count is None:
        return ""
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= limit:
            return f"{count / limit:.1f} {unit}"
    return str(count)
