"""Changes of single fields of an entry, with a reason for each field that is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from corral.kit.errors import InvalidRequest
from corral.settings import gateway
from corral.settings.gateway import Entry

E = TypeVar("E", bound=Entry)
MAX_PROBLEMS = 20
_REASONS = {
    "extra_forbidden": "is not known", "missing": "is needed", "string_too_short": "must not be empty",
    "model_type": "must be an object", "model_attributes_type": "must be an object", "dict_type": "must be an object",
}  # fmt: skip
_FIELDS = {
    name
    for shape in vars(gateway).values()
    if isinstance(shape, type) and issubclass(shape, Entry)
    for name in shape.model_fields
}
"""All names of fields of entries."""
_NAMED = re.compile(r"([a-z_]+): (.+)", re.DOTALL)


def read(shape: type[E], values: Mapping[str, Any]) -> E:
    """The entry that `values` say. Raises InvalidRequest with a reason for each field, by its wire name."""
    try:
        return shape.model_validate(dict(values))
    except ValidationError as error:
        raise refusal(error, shape) from None


def changed(shape: type[E], now: Mapping[str, Any], changes: Mapping[str, Any]) -> E:
    """`now` (by field name) after `changes` (by either name), where None takes a value away. Raises InvalidRequest."""
    aliases = {field.alias or name: name for name, field in shape.model_fields.items()}
    values = dict(now)
    for name, value in changes.items():
        field = aliases.get(name, name)
        if value is None:
            values.pop(field, None)
            if field not in shape.model_fields:
                values[field] = None
        else:
            values[field] = value
    return read(shape, values)


def refusal(error: ValidationError, shape: type[Entry]) -> InvalidRequest:
    """What pydantic refused, by the names of the wire."""
    fields: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_input=False, include_context=False)[:MAX_PROBLEMS]:
        reason = problem["msg"].removeprefix("Value error, ")
        # Where validation branches or calls a function, its steps are no part of the place.
        parts = [str(part) for part in problem["loc"] if not str(part).startswith(("function-", "tagged-"))]
        named = _NAMED.fullmatch(reason)
        if named and named[1] in shape.model_fields and not parts:
            parts, reason = [named[1]], named[2]
        reason = _REASONS.get(problem["type"], reason)
        if problem["type"] == "too_short" and fields:
            continue  # It has too few only because some of them are refused.
        fields.setdefault(".".join([to_camel(part) if part in _FIELDS else part for part in parts]), reason)
    name, reason = next(iter(fields.items()))
    return InvalidRequest(f"{name or 'It'}: {reason}.", param=name or None, details={"fields": fields})


def dumped(entry: Entry) -> dict[str, Any]:
    """An entry as the database keeps it: JSON values by field name, without what is not set."""
    return entry.model_dump(mode="json", exclude_defaults=True)


def wire(entry: Entry) -> dict[str, Any]:
    """An entry as clients see it."""
    return entry.model_dump(mode="json", by_alias=True)
