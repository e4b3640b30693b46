"""The catalogue as the web app and other programs get it."""

from __future__ import annotations

from typing import Any

from corral.models.options.catalogue import FIXED, OPTIONS
from corral.models.options.types import Group, Option

GROUPS: dict[Group, tuple[str, str]] = {
    Group.CORE: ("Model", "What most people set, and what Corral does with the engine."),
    Group.SAMPLING: (
        "Sampling",
        "What an answer is drawn with when the request does not say. A file may recommend values; they go before the defaults.",
    ),
    Group.MEMORY: ("Memory", "How weights and context are held in memory."),
    Group.GPU: ("GPU", "What is kept and computed where."),
    Group.ADVANCED: ("Advanced", "Context extension, batching, loading."),
    Group.LORA: ("Adapters and drafting", "LoRA, control vectors, and tokens that are drafted ahead."),
    Group.MULTIMODAL: ("Images and sound", "What a model with a projector can take."),
    Group.SERVER: ("All engines", "What is set once for every engine of this machine."),
}
"""The label of each group, and what is in it."""


def option_as_dict(option: Option) -> dict[str, Any]:
    """The wire form of one option. `minimum` and `maximum` bound a number, or the length of a text."""
    return {
        "name": option.name,
        "key": option.wire,
        "group": option.group.value,
        "kind": option.kind.value,
        "label": option.label,
        "help": option.help,
        "default": option.default,
        "flag": option.flag,
        "unit": option.unit,
        "minimum": option.minimum,
        "maximum": option.maximum,
        "count": list(option.count) if option.kind.value.endswith("s") else None,
        "choices": list(option.choices),
        "multiline": option.multiline,
        "advanced": option.advanced,
        "restart": option.restart,
        "scopes": list(option.scopes),
        "engines": list(option.engines),
        "since": option.since,
    }


def catalogue_as_dict() -> dict[str, Any]:
    """All groups and options, and what is not for anyone to choose with the reason."""
    groups = [{"name": name.value, "label": label, "help": text} for name, (label, text) in GROUPS.items()]
    return {"groups": groups, "options": [option_as_dict(option) for option in OPTIONS], "fixed": dict(FIXED)}
