"""The shapes of what clients send, the same over HTTP and Socket.IO."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

DEEPEST = 40


def sayable(value: dict[str, Any]) -> dict[str, Any]:
    """`value` when all its texts can be written as UTF-8 and it is not nested without end. Raises ValueError."""
    layer: list[Any] = [value]
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for one in layer:
            if isinstance(one, dict):
                inner += one.keys()
                inner += one.values()
            elif isinstance(one, list):
                inner += one
            elif isinstance(one, str):
                _must_encode(one)
        if not inner:
            return value
        layer = inner
    raise ValueError(f"is nested deeper than {DEEPEST} levels")


def _must_encode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds half of a character") from None


Values = Annotated[dict[str, Any], AfterValidator(sayable)]
"""Options or settings by name, checked later one by one."""
ModelName = Annotated[str, Field(min_length=1, max_length=512)]
Label = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""The name of a template or a profile."""
Text = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
Version = Annotated[int, Field(ge=0, le=2**31 - 1)]
Apply = Literal["now", "next"]
Scope = Literal["model", "server", "app", "template", "profile"]
RepoName = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A repository of a hub."""
FileNames = Annotated[list[Annotated[str, Field(min_length=1, max_length=500)]], Field(min_length=1, max_length=200)]
Key = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
"""An id of the history."""
