"""References within a schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote


def find(root: Any, reference: str) -> Any:
    """What `reference` (`#/…`) points at; True, which allows everything, when there is nothing."""
    found = look_up(root, reference)
    return True if found is None else found


def look_up(root: Any, reference: str) -> Any:
    """What `reference` (`#/…`) points at, None when there is nothing."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    found: Any = root
    for step in reference[2:].split("/") if len(reference) > 1 else ():
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and len(name) < 6 and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found
