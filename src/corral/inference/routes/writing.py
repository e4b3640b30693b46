"""From what is set for a route to what inference goes by, and to what a page shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from corral.inference.routes.tables import routes
from corral.inference.routes.types import CacheRule, Candidate, RouteSpec, Rules
from corral.providers.directory.shelf import Record, from_json, rest_as_json
from corral.providers.types import Prices
from corral.settings.changing import wire
from corral.settings.gateway import CandidateEntry, PriceEntry, RouteEntry

MOST = 1000


class RouteCodec:
    """See `providers.directory.shelf.Codec`."""

    shape = RouteEntry
    noun = "route"
    prefix = "rte"
    table = routes
    most = MOST

    def columns(self, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """See `Codec`."""
        return {"name": name, "spec": rest_as_json(values, "enabled"), "enabled": values.get("enabled", True)}

    def values(self, row: Row[Any]) -> tuple[str, dict[str, Any]]:
        """See `Codec`."""
        return row.name, {**from_json(row.spec), "enabled": row.enabled}


def spec_of(name: str, entry: RouteEntry) -> RouteSpec:
    """What inference goes by."""
    rules = entry.parameters
    return RouteSpec(
        name=name,
        candidates=tuple(map(_candidate, entry.candidates)),
        strategy=entry.strategy,
        parameters=Rules(rules.set, rules.default, rules.remove, rules.clamp),
        first_content_timeout=entry.first_content_timeout,
        total_timeout=entry.total_timeout,
        attempts=entry.attempts,
        cache=CacheRule(entry.cache.ttl, entry.cache.always) if entry.cache is not None else None,
        spill_queue=entry.spill_queue,
        spill_after=entry.spill_after,
        mirror=_candidate(entry.mirror) if entry.mirror is not None else None,
        mirror_share=entry.mirror_share,
        description=entry.description,
    )


def row_of(record: Record[RouteEntry]) -> dict[str, Any]:
    """A route as clients see it, without its problems."""
    shown = (
        wire(record.entry) if record.entry is not None else {"enabled": False, "candidates": [], "strategy": "ordered"}
    )
    return {"name": record.name, **shown, **record.about()}


def _candidate(entry: CandidateEntry) -> Candidate:
    return Candidate(entry.provider, entry.model, entry.weight, entry.parameters, entry.prefill, _price(entry.price))


def _price(entry: PriceEntry | None) -> Prices | None:
    return None if entry is None else Prices(entry.input, entry.output, entry.cached_input, entry.cache_write)
