"""From what is set for a provider to what is needed to call it, and to what a page shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corral.kit.clock import Clock, iso
from corral.kit.http import Timeouts
from corral.kit.http.outward import outward_url
from corral.providers.directory.keys import KnownKey
from corral.providers.directory.kinds import address, card
from corral.providers.directory.shelf import Record
from corral.providers.directory.suggestions import suggested
from corral.providers.types import CONNECTIONS, TIMEOUTS, Abilities, Health, Prices, ProviderModel, ProviderSpec
from corral.settings.changing import wire
from corral.settings.gateway import LOCAL, AbilitiesEntry, ModelEntry, PriceEntry, ProviderEntry, TimeoutsEntry


def spec_of(name: str, entry: ProviderEntry, keys: Sequence[KnownKey]) -> ProviderSpec:
    """What is needed to call it, with the keys that can be used."""
    return ProviderSpec(
        name=name,
        kind=entry.kind,
        base_url=address(entry),
        keys=tuple(known.key for known in keys if known.key is not None),
        headers=entry.headers,
        models={one.name: _model(one) for one in entry.models},
        timeouts=_timeouts(entry.timeouts),
        total_timeout=entry.timeouts.total,
        abilities=_abilities(entry.abilities),
        prices=_prices(entry.prices),
        vendor=entry.vendor,
        discover=entry.discover,
        connections=entry.connections or CONNECTIONS,
    )


def problem_of(record: Record[ProviderEntry], keys: Sequence[KnownKey]) -> str | None:
    """Why it cannot be used, None when it can, as far as that can be told without asking it."""
    entry = record.entry
    if entry is None:
        return record.problem
    if any(known.key is not None for known in keys):
        return None
    if keys:
        return f"No key of it can be used. {keys[0].label}: {keys[0].problem}"
    known, place = card(entry), address(entry)
    if not place:
        return "Its address is missing."
    # An own gateway in front of the service may want no key of ours.
    if known.key_needed and known.base_url and outward_url(place).origin == outward_url(known.base_url).origin:
        return f"{known.title} wants a key; add one."
    return None


def row_of(
    record: Record[ProviderEntry], keys: Sequence[KnownKey], problem: str | None, health: dict[str, Any]
) -> dict[str, Any]:
    """A provider as clients see it."""
    entry = record.entry
    shown = wire(entry) if entry is not None else {"kind": record.values.get("kind"), "enabled": False}
    return {
        "name": record.name, **shown, **record.about(), "address": address(entry) if entry is not None else "",
        "keys": [known.as_dict() for known in keys], "problem": problem, "health": health,
    }  # fmt: skip


def own_row() -> dict[str, Any]:
    """This machine's engines, as a provider."""
    about = {
        "id": LOCAL,
        "version": 0,
        "source": "built-in",
        "readOnly": True,
        "by": None,
        "createdAt": None,
        "updatedAt": None,
    }
    entry = wire(ProviderEntry(kind="ollama", description="The engines of this machine.", discover=False))
    return {
        "name": LOCAL, **entry, **about, "kind": LOCAL, "address": "", "keys": [], "problem": None, "health": health_row(None)
    }  # fmt: skip


def health_row(health: Health | None) -> dict[str, Any]:
    """The last test as clients see it."""
    if health is None:
        return {"state": "unknown", "at": None, "ms": None, "message": "", "code": ""}
    return {
        "state": "ok" if health.ok else "failed", "at": iso(health.checked_at), "ms": round(health.milliseconds, 1),
        "message": health.message, "code": health.code,
    }  # fmt: skip


def test_row(results: Sequence[Health], clock: Clock) -> dict[str, Any]:
    """What a test found: of several keys the first that fails, else the first."""
    worst = next((one for one in results if not one.ok), results[0] if results else None)
    if worst is None:
        return {
            "ok": False,
            "ms": None,
            "models": None,
            "message": "Nothing was tested.",
            "code": "",
            "at": iso(clock.now()),
            "keys": [],
        }
    return {
        "ok": worst.ok, "ms": round(worst.milliseconds, 1), "models": worst.models, "message": worst.message, "code": worst.code,
        "at": iso(worst.checked_at), "keys": [{"label": one.key, "ok": one.ok, "message": one.message} for one in results],
    }  # fmt: skip


def model_row(kind: str, model: ProviderModel, *, is_set: bool) -> dict[str, Any]:
    """A model of a provider as clients see it."""
    abilities, prices = model.abilities, model.prices
    return {
        "name": model.name, "title": model.title, "contextLength": model.context_length, "maxOutput": model.max_output,
        "abilities": {
            "prefill": abilities.prefill, "tools": abilities.tools, "images": abilities.images, "audio": abilities.audio,
            "files": abilities.files, "jsonSchema": abilities.json_schema, "reasoning": abilities.reasoning,
        },
        "prices": None if prices is None else {
            "input": prices.input, "output": prices.output, "cachedInput": prices.cached_input, "cacheWrite": prices.cache_write
        },
        "source": "set" if is_set else "discovered", "suggested": suggested(kind, model.name),
    }  # fmt: skip


def _model(entry: ModelEntry) -> ProviderModel:
    abilities = _abilities(entry.abilities) if entry.abilities is not None else Abilities()
    return ProviderModel(
        entry.name, entry.title, entry.context_length, entry.max_output, abilities, _prices(entry.prices)
    )


def _abilities(entry: AbilitiesEntry) -> Abilities:
    return Abilities(
        entry.prefill, entry.tools, entry.images, entry.audio, entry.files, entry.json_schema, entry.reasoning
    )


def _prices(entry: PriceEntry | None) -> Prices | None:
    return None if entry is None else Prices(entry.input, entry.output, entry.cached_input, entry.cache_write)


def _timeouts(entry: TimeoutsEntry) -> Timeouts:
    return Timeouts(
        connect=entry.connect or TIMEOUTS.connect,
        head=entry.first_byte or TIMEOUTS.head,
        idle=entry.idle or TIMEOUTS.idle,
    )
