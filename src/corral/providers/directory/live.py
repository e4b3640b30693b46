"""The providers that count now, each with the object that is called. A change makes a new object; the old one is closed
when the requests that it had begun have had time to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from corral.kit.clock import Clock
from corral.kit.errors import InvalidRequest, Unavailable
from corral.providers.directory.building import problem_of, spec_of
from corral.providers.directory.keys import KnownKey
from corral.providers.directory.shelf import Record
from corral.providers.types import Provider, ProviderSpec
from corral.settings.gateway import LOCAL, ProviderEntry

RETIRED_SECONDS = 900.0
MAX_RETIRED = 64


@dataclass(frozen=True, slots=True)
class Live:
    """A provider as it counts now; `provider` is None when it cannot be asked, for `problem` or because it is switched off."""

    record: Record[ProviderEntry]
    keys: tuple[KnownKey, ...]
    provider: Provider | None
    problem: str | None


class LiveProviders:
    """All of them, by name. Asked for every request, so it answers from memory."""

    def __init__(self, build: Callable[[ProviderSpec], Provider], clock: Clock) -> None:
        self._build = build
        self._clock = clock
        self._live: dict[str, Live] = {}
        self._retired: list[tuple[float, Provider]] = []
        self._watchers: list[Callable[[str], None]] = []
        self.own: Provider | None = None
        """This machine's engines, the provider `local`."""
        self.revision = 0

    def watch(self, told: Callable[[str], None]) -> None:
        """Calls `told` with the name of each provider that was changed, before a request sees the change."""
        self._watchers.append(told)

    def all(self) -> list[Live]:
        """All of them, but for this machine's engines."""
        return list(self._live.values())

    def find(self, name: str) -> Live | None:
        """One of them."""
        return self._live.get(name)

    def provider(self, name: str) -> Provider:
        """The object to call. Raises Unavailable for a provider that is gone, switched off or cannot be used."""
        live = self._live.get(name)
        if live is not None and live.provider is not None:
            return live.provider
        if name == LOCAL and self.own is not None:
            return self.own
        raise Unavailable(self.problem(name) or f"The provider {name[:100]!r} cannot be used.")

    def problem(self, name: str) -> str | None:
        """Why a provider cannot be asked now, None when it can."""
        if name == LOCAL:
            return None
        live = self._live.get(name)
        if live is None:
            return f"There is no provider {name[:100]!r}."
        if live.record.entry is not None and not live.record.entry.enabled:
            return f"The provider {name!r} is switched off."
        return None if live.problem is None else f"The provider {name!r} cannot be used: {live.problem}"

    def put(self, record: Record[ProviderEntry], keys: tuple[KnownKey, ...]) -> None:
        """Lets a provider count as it is now."""
        provider, entry, problem = None, record.entry, problem_of(record, keys)
        if entry is not None and entry.enabled and problem is None:
            try:
                provider = self._build(spec_of(record.name, entry, keys))
            except InvalidRequest as error:
                problem = error.message
        self._replace(record.name, Live(record, keys, provider, problem))

    def forget(self, name: str) -> None:
        """It counts no more."""
        self._replace(name, None)

    async def close_retired(self) -> None:
        """Closes the objects that were replaced long ago, and the oldest of very many."""
        now = self._clock.monotonic()
        while self._retired and (len(self._retired) > MAX_RETIRED or now - self._retired[0][0] > RETIRED_SECONDS):
            await self._retired.pop(0)[1].close()

    async def close(self) -> None:
        """Closes all of them."""
        made = [live.provider for live in self._live.values() if live.provider is not None]
        retired = [provider for _, provider in self._retired]
        self._live, self._retired = {}, []
        for provider in (*made, *retired):
            await provider.close()

    def _replace(self, name: str, live: Live | None) -> None:
        old = self._live.get(name)
        if live is not None:
            self._live[name] = live
        else:
            self._live.pop(name, None)
        if old is not None and old.provider is not None:
            self._retired.append((self._clock.monotonic(), old.provider))
        self.revision += 1
        for told in self._watchers:
            told(name)
