"""Decisions about configurations, as pure functions. Values go by the Python names of their options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from corral.models.options.catalogue import BY_NAME, OPTIONS
from corral.models.options.types import Kind
from corral.models.options.values import diff

Values = Mapping[str, Any]

_PREFIX = re.compile(r"^\s*(?:[\d.]+\s+)?[DIWE]\s+(?:\w+\s+)?(?:[\w()]+:\s+)*")
"""What llama.cpp writes before what it says: the time, the level, and who says it."""
_TEMPLATE = re.compile(r"common_chat_templates_init: error: (?:parser: )?(.+)|chat template parsing error: (.+)")
"""What llama.cpp says of a chat template that it cannot read; where it is, and why, come in lines of their own."""
_PLACE = re.compile(r"at line (\d+), column (\d+)")
_WHY = re.compile(r"^Error: (.+)")
_ERROR = re.compile(r"^\s*(?:[\d.]+\s+)?E\s")
_MEMORY = (
    "ctx_size", "parallel", "batch_size", "ubatch_size", "gpu_layers", "cache_type_k", "cache_type_v", "cache_ram", "load_mode",
    "kv_unified", "swa_full", "model_draft", "draft_gpu_layers", "kv_offload", "replicas",
)  # fmt: skip
"""Options that decide how much memory an engine needs."""


def changed(own: Values, changes: Values) -> dict[str, Any]:
    """`own` after `changes`, where None takes a value away."""
    return {name: value for name, value in {**own, **changes}.items() if value is not None}


def before_and_after(before: Values, after: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    """Only what differs, with None for what is not set."""
    pairs = diff(before, after)
    return {name: old for name, (old, _) in pairs.items()}, {name: new for name, (_, new) in pairs.items()}


def wire(values: Values) -> dict[str, Any]:
    """The values under the names of the wire; what the catalogue no longer knows keeps its name."""
    return {BY_NAME[name].wire if name in BY_NAME else name: value for name, value in values.items()}


def differences(before: Values, after: Values) -> dict[str, dict[str, Any]]:
    """What differs, by wire name, as {before, now}."""
    old, new = map(wire, before_and_after(before, after))
    return {name: {"before": old[name], "now": new[name]} for name in old}


def walked_back(now: Values, newest_first: Iterable[Values]) -> dict[str, Any]:
    """The values before some changes, from what each of them had found; the newest change comes first."""
    values = dict(now)
    for before in newest_first:
        values = changed(values, before)
    return values


def sources(server: Values, own: Values, settings: Values) -> dict[str, str]:
    """Which layer each option has its value from."""
    layers = (("model", own), ("server", server), ("settings", settings))
    return {
        option.name: next((name for name, layer in layers if layer.get(option.name) is not None), "default")
        for option in OPTIONS
    }


def blame(changes: Values, lines: Sequence[str], code: str, reason: str) -> dict[str, str]:
    """Which of the changed options an engine's failed start tells of, each with the reason.

    Options that the engine's last lines name, by flag, name or file; else those that need memory when it ran out; else
    all that an engine takes at its start.
    """
    worst_first = [*(line for line in lines if _ERROR.search(line)), *reversed(lines)]
    told = {
        name: _said(line)
        for name in changes
        if (line := next((one for one in worst_first if _names(name, changes[name], one)), None)) is not None
    }
    if changes.get("chat_template") and (reason_of := _of_template(lines)):
        told["chat_template"] = reason_of
    if told:
        return told
    if code in ("out_of_memory", "killed"):
        hungry = [name for name in changes if name in _MEMORY]
        if hungry:
            return dict.fromkeys(hungry, reason)
    return {name: reason for name in changes if BY_NAME[name].restart} or dict.fromkeys(changes, reason)


def _of_template(lines: Sequence[str]) -> str | None:
    """What is wrong with a chat template, and where, when an engine's last lines say so."""
    at = next((number for number, line in enumerate(lines) if _TEMPLATE.search(line)), None)
    if at is None:
        return None
    found = _TEMPLATE.search(lines[at])
    said = (found.group(1) or found.group(2) if found else "").strip()
    # Lines that belong to it have no time and no level before them.
    more = []
    for line in lines[at + 1 :]:
        if _PREFIX.match(line):
            break
        more.append(line.strip())
    why = next((found.group(1) for line in more if (found := _WHY.match(line))), said)
    place = next((found for line in more if (found := _PLACE.search(line))), None)
    source = next((line for line in more if line.startswith("...")), None)
    where = f"line {place.group(1)}, column {place.group(2)}: " if place else ""
    return f"{where}{why}{f' at {source}' if source else ''}"


def _names(name: str, value: Any, line: str) -> bool:
    """Whether a line of an engine speaks of an option."""
    option = BY_NAME[name]
    if option.kind in (Kind.PATH, Kind.PATHS):
        paths = [value] if isinstance(value, str) else value or ()
        if any(path and path in line for path in paths):
            return True
    words = [option.flag or "", option.name] if "_" in option.name else [option.flag or ""]
    return any(word and re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", line) for word in words)


def _said(line: str) -> str:
    """What a line of an engine says, without when and who."""
    return _PREFIX.sub("", line).strip() or line.strip()
