"""Which question a request is: what must be alike for two requests to have the same answer, and whether it may be kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import orjson

from corral.accounts.types import Principal
from corral.inference.facts import facts_of
from corral.inference.routes.types import CacheRule, RouteSpec
from corral.inference.types import Ask

MAX_QUESTION = 1 << 20
"""Bytes of a request that is looked at; a longer one is seldom asked twice and would hold up others."""
_NO_MATTER: Mapping[str, tuple[str, ...]] = {
    "openai_chat": ("user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"),
    "openai_responses": ("user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"),
    "openai": ("user",),
    "anthropic": ("metadata",),
    "ollama_chat": ("keep_alive",),
    "ollama_generate": ("keep_alive",),
}
"""Fields that say who asks or how long something is kept, not what is asked."""
_HEADERS = ("anthropic-beta",)
"""Headers that change an answer."""


class Wish(NamedTuple):
    """What may be done for a request: `look` for an earlier answer, `join` one that is being made, `keep` the new one."""

    look: bool = False
    join: bool = False
    keep: bool = False
    ttl: float = 0.0


BYPASS = Wish()


def wish_of(ask: Ask, route: RouteSpec, rule: CacheRule) -> Wish:
    """What the client's headers, the route and the request itself allow. `rule` is for routes without one.

    `X-Corral-Cache: use` wants a cache though the answer may vary, `refresh` a new answer that is kept, `bypass` neither;
    `Cache-Control: no-cache` and `no-store` mean the last two as well.
    """
    rule = route.cache if route.cache is not None else rule
    said, control = ask.headers.get("x-corral-cache", ""), ask.headers.get("cache-control", "")
    if not (said or rule.always or facts_of(ask).fixed):
        # Nearly all: another answer each time, and nobody wants another thing.
        return BYPASS
    said, control = said.strip().lower(), control.lower()
    if said in ("bypass", "off", "no") or "no-store" in control or len(ask.body) > MAX_QUESTION:
        return BYPASS
    if rule.off and said not in ("use", "refresh"):
        return BYPASS
    facts = facts_of(ask)
    if facts.lasting or not (facts.fixed or rule.always or said in ("use", "refresh")):
        return BYPASS
    look = said != "refresh" and "no-cache" not in control
    return Wish(look=look, join=look, keep=True, ttl=rule.ttl)


def tenant_of(principal: Principal) -> str:
    """Who has answers of their own: a key, else a user."""
    return f"key:{principal.key_id}" if principal.key_id else f"user:{principal.user_id}"


def question_of(ask: Ask, route: RouteSpec, version: str = "") -> str | None:
    """The hash of all that an answer depends on, None for a body that cannot be read. The order of fields and the spaces between
    them do not matter; a stream and a whole answer are two questions. `version` is that of own engines."""
    try:
        fields = orjson.loads(ask.body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(fields, dict):
        return None
    for name in _NO_MATTER.get(ask.dialect, ()):
        fields.pop(name, None)
    digest = hashlib.sha256()
    for part in (
        ask.operation.encode(), ask.dialect.encode(), b"stream" if ask.stream else b"whole", msgspec.json.encode(route), version.encode(),
        *(ask.headers.get(name, "").encode() for name in _HEADERS),
        orjson.dumps(fields, option=orjson.OPT_SORT_KEYS),
    ):  # fmt: skip
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()
