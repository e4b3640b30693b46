"""Asking providers how they are and which models they have, apart from requests: bounded in number and time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from corral.kit.clock import Clock, iso
from corral.kit.errors import CorralError
from corral.providers.directory.building import model_row, test_row
from corral.providers.types import Health, Provider, ProviderKey, ProviderModel, ProviderSpec
from corral.settings.gateway import MAX_MODELS

AT_ONCE = 4
SECONDS = 30.0
"""For a list of models."""
CHECK_SECONDS = 15.0
"""For one key."""
FRESH_SECONDS = 600.0


@dataclass(slots=True)
class Told:
    """What a provider said of itself last. `asked` is of the monotonic clock."""

    models: tuple[ProviderModel, ...] = ()
    at: datetime | None = None
    asked: float = float("-inf")
    problem: str | None = None
    health: Health | None = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Asking:
    """What providers told, by name; forgotten when they are changed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[str, Told] = {}
        self._at_once = asyncio.Semaphore(AT_ONCE)

    def forget(self, name: str) -> None:
        """The provider was changed: its health is not known any more; its models stay until it tells others."""
        old = self._told.pop(name, None)
        if old is not None:
            self._told[name] = Told(old.models, old.at)

    def drop(self, name: str) -> None:
        """The provider is gone."""
        self._told.pop(name, None)

    def health(self, name: str) -> Health | None:
        """What its last test found."""
        told = self._told.get(name)
        return told.health if told is not None else None

    def models(self, name: str) -> tuple[ProviderModel, ...]:
        """The models that it told of last."""
        told = self._told.get(name)
        return told.models if told is not None else ()

    def about_models(self, name: str) -> tuple[str | None, str | None]:
        """When it told of its models, and what went wrong the last time it was asked."""
        told = self._told.get(name) or Told()
        return (iso(told.at) if told.at is not None else None), told.problem

    def row(self, kind: str, model: ProviderModel, *, is_set: bool) -> dict[str, Any]:
        """A model as clients see it."""
        return model_row(kind, model, is_set=is_set)

    async def ask(self, name: str, provider: Provider, *, refresh: bool) -> None:
        """Asks a provider for its models unless it was asked lately. What goes wrong is kept as its problem."""
        told = self._told.setdefault(name, Told())
        async with told.asking:
            if not refresh and self._clock.monotonic() - told.asked < FRESH_SECONDS:
                return
            try:
                async with self._at_once, asyncio.timeout(SECONDS):
                    told.models = tuple((await provider.models())[:MAX_MODELS])
                told.at, told.problem = self._clock.now(), None
            except TimeoutError:
                told.problem = f"It did not say within {SECONDS:.0f} s which models it has."
            except CorralError as error:
                told.problem = error.message
            told.asked = self._clock.monotonic()

    async def test(
        self, spec: ProviderSpec, build: Callable[[ProviderSpec], Provider]
    ) -> tuple[dict[str, Any], Sequence[Health]]:
        """Tries each key of a provider, over connections of their own; the wire form, and each result."""
        provider = build(spec)
        try:
            results = await asyncio.gather(*(self._check(provider, key) for key in spec.keys or (None,)))
        finally:
            await provider.close()
        return test_row(results, self._clock), results

    def note(self, name: str, results: Sequence[Health]) -> None:
        """Keeps what a test found: the first failure, else the first success."""
        worst = next((one for one in results if not one.ok), results[0] if results else None)
        self._told.setdefault(name, Told()).health = worst

    async def _check(self, provider: Provider, key: ProviderKey | None) -> Health:
        label = key.label if key is not None else ""
        try:
            async with self._at_once, asyncio.timeout(CHECK_SECONDS):
                return await provider.check(key)
        except TimeoutError:
            text = f"It did not answer within {CHECK_SECONDS:.0f} s."
            return Health(False, self._clock.now(), CHECK_SECONDS * 1000, None, "upstream_timeout", text, label)
