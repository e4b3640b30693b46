"""What an option of an engine is: one description from which forms, checks, flags and reference pages are made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a value looks like in JSON; paths are texts, JSON is any object."""

    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    TEXT = "text"
    CHOICE = "choice"
    PATH = "path"
    INTS = "ints"
    FLOATS = "floats"
    TEXTS = "texts"
    PATHS = "paths"
    JSON = "json"


class Group(StrEnum):
    """Where an option is kept: one table for each."""

    CORE = "core"
    SAMPLING = "sampling"
    MEMORY = "memory"
    GPU = "gpu"
    ADVANCED = "advanced"
    LORA = "lora"
    MULTIMODAL = "multimodal"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `None` as a default means that the engine, the model or the settings decide.

    flag: the flag of llama-server, None for what Corral itself does. off_flag: the flag that says no, for a bool whose
    default is yes. param: the attribute of the embedded engine's parameters, None where it has none; a `!` in front
    means that the attribute says the opposite. minimum and maximum: bounds of the number, of each number of a list, or
    of the characters of a text. count: bounds of the length of a list. imposed: the default differs from the engine's
    own, so it is always told. shared: it can also be set once for all models. restart: a running engine takes it only
    with a new start. since: the first version of Corral that knows it.
    """

    name: str
    group: Group
    kind: Kind
    label: str
    default: Any
    help: str
    flag: str | None
    param: str | None = None
    off_flag: str | None = None
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    count: tuple[int, int] = (0, 64)
    choices: tuple[str, ...] = ()
    restart: bool = True
    advanced: bool = False
    shared: bool = False
    imposed: bool = False
    multiline: bool = False
    since: str = "0.2.0"

    @property
    def wire(self) -> str:
        """Its camelCase name."""
        first, *rest = self.name.split("_")
        return first + "".join(part.capitalize() for part in rest)

    @property
    def scopes(self) -> tuple[str, ...]:
        """Where it can be set: `model`, `server` (for all models), or both."""
        if self.group is Group.SERVER:
            return ("server",)
        return ("model", "server") if self.shared else ("model",)

    @property
    def engines(self) -> tuple[str, ...]:
        """The kinds of engines that take it; all of them for what Corral itself does."""
        if self.flag is None:
            return ("embedded", "llama_server", "command", "url")
        return ("embedded", "llama_server") if self.param else ("llama_server",)
