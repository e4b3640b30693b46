"""A route's rules for parameters, applied to a request as it goes to the provider. Pure.

One vocabulary for all dialects: temperature is temperature, wherever a dialect keeps it. What a dialect has no place for is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import msgspec

from corral.inference.routes.types import Rules
from corral.kit.errors import InvalidRequest

_OPENAI = {
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repeat_penalty": "repeat_penalty",
    "stop": "stop",
    "choices": "n",
    "logprobs": "logprobs",
    "top_logprobs": "top_logprobs",
    "parallel_tools": "parallel_tool_calls",
    "user": "user",
}
PARAMETERS: Final = frozenset(_OPENAI)
"""The names that rules know in every dialect."""

_OLLAMA = {
    "max_tokens": "options.num_predict",
    **{
        name: f"options.{name}"
        for name in (
            "temperature", "top_p", "top_k", "min_p", "seed", "presence_penalty", "frequency_penalty", "repeat_penalty",
            "stop",
        )
    },
}  # fmt: skip

PLACES: Final[Mapping[str, Mapping[str, str]]] = {
    "openai": _OPENAI,
    "openai_chat": _OPENAI,
    "openai_responses": {
        "max_tokens": "max_output_tokens",
        "temperature": "temperature",
        "top_p": "top_p",
        "top_logprobs": "top_logprobs",
        "parallel_tools": "parallel_tool_calls",
        "user": "user",
    },
    "anthropic": {
        "max_tokens": "max_tokens",
        "temperature": "temperature",
        "top_p": "top_p",
        "top_k": "top_k",
        "stop": "stop_sequences",
        "user": "metadata.user_id",
    },
    "gemini": {
        "max_tokens": "generationConfig.maxOutputTokens",
        "temperature": "generationConfig.temperature",
        "top_p": "generationConfig.topP",
        "top_k": "generationConfig.topK",
        "seed": "generationConfig.seed",
        "presence_penalty": "generationConfig.presencePenalty",
        "frequency_penalty": "generationConfig.frequencyPenalty",
        "stop": "generationConfig.stopSequences",
        "choices": "generationConfig.candidateCount",
        "logprobs": "generationConfig.responseLogprobs",
        "top_logprobs": "generationConfig.logprobs",
    },
    "ollama_chat": _OLLAMA,
    "ollama_generate": _OLLAMA,
}
"""Where each dialect keeps a parameter; a dot leads into an object."""

_LISTED = frozenset({"stop_sequences", "stopSequences"})
"""Fields that are lists even for a single value."""

_OUTER = frozenset(place.partition(".")[0] for places in PLACES.values() for place in places.values() if "." in place)

_Object = MutableMapping[str, Any]
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def apply(body: bytes, dialect: str, rules: Rules, also: Mapping[str, Any], model: str | None) -> bytes:
    """The body with the rules done, then the parameters `also` set and, where it is given, another `model`.

    Fields that nobody names stay as they are, byte for byte. Raises InvalidRequest for a body that is no JSON object.
    """
    try:
        fields: dict[str, Any] = dict(_OBJECT.decode(body))
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body is not a JSON object: {error}.") from None
    places = PLACES.get(dialect, {})
    if rules:
        _rule(fields, places, rules)
    for name, value in also.items():
        _set(fields, places, name, value)
    if model is not None:
        fields["model"] = model
    for outer in _OUTER & fields.keys():
        if fields[outer] == {}:
            # Made for a parameter that then was not set.
            del fields[outer]
    return msgspec.json.encode(fields)


def _rule(fields: _Object, places: Mapping[str, str], rules: Rules) -> None:
    for name in rules.remove:
        for into, field in _places(fields, places, name):
            into.pop(field, None)
    for name, value in rules.default.items():
        if not any(field in into for into, field in _places(fields, places, name)):
            _set(fields, places, name, value)
    for name, value in rules.set.items():
        _set(fields, places, name, value)
    for name, (least, most) in rules.clamp.items():
        for into, field in _places(fields, places, name):
            if field in into:
                into[field] = _clamped(_plain(into[field]), least, most)


def _places(fields: _Object, places: Mapping[str, str], name: str) -> list[tuple[_Object, str]]:
    """The objects and fields where a parameter stands: none where the dialect has no place for it."""
    place = places.get(name, name)
    if name in PARAMETERS and name not in places:
        return []
    found = [_inside(fields, place)]
    if place == "max_tokens" and places is _OPENAI:
        # OpenAI has two names for it; the newer one counts where both are there.
        newer = (fields, "max_completion_tokens")
        found = [newer, *found] if "max_tokens" in fields else [newer] if "max_completion_tokens" in fields else found
    return found


def _inside(fields: _Object, place: str) -> tuple[_Object, str]:
    outer, dot, inner = place.partition(".")
    if not dot:
        return fields, place
    into = fields.get(outer)
    if not isinstance(into, dict):
        into = _plain(into) if into is not None else None
        into = fields[outer] = into if isinstance(into, dict) else {}
    return into, inner


def _set(fields: _Object, places: Mapping[str, str], name: str, value: Any) -> None:
    found = _places(fields, places, name)
    for into, field in found:
        if field in into or len(found) == 1:
            into[field] = [value] if field in _LISTED and not isinstance(value, list) else value


def _plain(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value


def _clamped(value: Any, least: float | None, most: float | None) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    bounded: float = value
    if least is not None and bounded < least:
        bounded = least
    if most is not None and bounded > most:
        bounded = most
    return int(bounded) if isinstance(value, int) and float(bounded).is_integer() else bounded
