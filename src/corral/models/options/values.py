"""Values of options: checked one by one and together, put over each other, compared."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from corral.kit.errors import InvalidRequest
from corral.models.options.catalogue import BY_NAME, BY_WIRE, FIXED, OPTIONS
from corral.models.options.checking import Unfit, fitting, read
from corral.models.options.types import Option


def find(name: str) -> Option | None:
    """The option of a name, written as in Python or as on the wire."""
    return BY_NAME.get(name) or BY_WIRE.get(name)


def check(values: Mapping[str, object], *, scope: str | None = None) -> dict[str, Any]:
    """The values by their Python names, typed and within bounds; None means not set.

    scope: `model` or `server` refuses what cannot be set there. Raises InvalidRequest whose details name each value at
    fault under the name it came with: {"fields": {name: reason}}.
    """
    return _each(values, scope, lambda option, value: value)


def parse(texts: Mapping[str, str], *, scope: str | None = None) -> dict[str, Any]:
    """As `check`, for values written as text, as on a command line. An empty text means not set."""
    return _each(texts, scope, lambda option, value: read(option, str(value)))


def check_together(values: Mapping[str, object]) -> None:
    """Refuses values that are fine alone and not together. Wants Python names; raises InvalidRequest with those of the wire."""
    refuse({BY_NAME[name].wire: reason for name, reason in _conflicts(values) if values.get(name) is not None})


def merge(*layers: Mapping[str, object]) -> dict[str, Any]:
    """Layers over each other, the later wins; None lets the one below show through."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged.update({name: value for name, value in layer.items() if value is not None})
    return merged


def diff(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, tuple[Any, Any]]:
    """What changed, as (before, after); None is not set. True and 1 are not the same."""
    names = [*before, *(name for name in after if name not in before)]
    pairs = {name: (before.get(name), after.get(name)) for name in names}
    return {name: (old, new) for name, (old, new) in pairs.items() if _plain(old) != _plain(new)}


def as_wire(values: Mapping[str, object]) -> dict[str, Any]:
    """The values under the names of the wire."""
    return {BY_NAME[name].wire: value for name, value in values.items()}


def refuse(fields: Mapping[str, str]) -> None:
    """Raises InvalidRequest when anything is at fault."""
    if not fields:
        return
    name, reason = next(iter(fields.items()))
    more = f" ({len(fields) - 1} more)" if len(fields) > 1 else ""
    raise InvalidRequest(f"{name}: {reason}{more}.", details={"fields": dict(fields)}, param=name)


def _each(
    values: Mapping[str, object], scope: str | None, convert: Callable[[Option, object], object]
) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, value in values.items():
        option = find(name)
        if option is None:
            wrong[name] = _unknown(name)
        elif scope is not None and scope not in option.scopes:
            wrong[name] = "is set for all models at once" if scope == "model" else "is set for each model"
        elif option.name in checked:
            wrong[name] = "was given twice"
        else:
            try:
                checked[option.name] = fitting(option, convert(option, value))
            except Unfit as error:
                wrong[name] = str(error)
    refuse(wrong)
    return checked


def _unknown(name: str) -> str:
    plain = "".join("_" + char.lower() if char.isupper() else char for char in name).replace("-", "_").strip("_")
    if plain in FIXED:
        return f"is not yours to choose: {FIXED[plain]}"
    same = [option.wire for option in OPTIONS if option.flag and option.flag.strip("-").replace("-", "_") == plain]
    known = [*BY_NAME, *BY_WIRE]
    close = same or [BY_NAME.get(one, BY_WIRE.get(one, OPTIONS[0])).wire for one in difflib.get_close_matches(plain, known, 1)]  # fmt: skip
    return "is no option" + (f"; did you mean {close[0]}?" if close else "")


def _plain(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _conflicts(values: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """What does not go together: the option at fault, and why."""
    given = {name: value for name, value in values.items() if value is not None}
    for name in ("control_vector_layers", "cpu_range"):
        first, last = given.get(name, (0, 0))
        if first > last:
            yield name, "the first is after the last"
    for name, reason, at_fault in _RULES:
        if at_fault(given):
            yield name, reason


_DRAFTED = {"draft-simple", "draft-eagle3", "draft-dflash", "draft-dspark"}
_EXACT = ("f32", "f16", "bf16")
_RULES: tuple[tuple[str, str, Callable[[Mapping[str, Any]], bool]], ...] = (
    ("json_schema", "is not used together with a grammar", lambda given: "grammar" in given and "json_schema" in given),
    ("lora_scales", "has more strengths than there are adapters",
        lambda given: len(given.get("lora_scales", ())) > len(given.get("lora", ()))),
    ("image_max_tokens", "is less than the least tokens per image",
        lambda given: 0 <= given.get("image_max_tokens", -1) < given.get("image_min_tokens", -1)),
    ("draft_min", "is longer than the longest draft", lambda given: given.get("draft_min", 0) > given.get("draft_max", 3)),
    ("cache_type_v", "needs flash attention, which is off",
        lambda given: given.get("flash_attn") == "off" and given.get("cache_type_v", "f16") not in _EXACT),
    ("reranking", "needs embeddings, which are off",
        lambda given: given.get("embeddings") is False and bool(given.get("reranking"))),
    ("pooling", "must be rank for reranking",
        lambda given: bool(given.get("reranking")) and given.get("pooling", "rank") != "rank"),
    ("spec_type", "needs a draft model",
        lambda given: bool(_DRAFTED & set(given.get("spec_type", ()))) and "model_draft" not in given),
)  # fmt: skip
