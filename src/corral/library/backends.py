"""Who answers: what answers in a Corral, in this process, or one that runs elsewhere."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from corral.accounts.types import Permission, Principal
from corral.kit.errors import CorralError, InvalidRequest, ModelNotFound, StartupError, Unavailable
from corral.library.types import Model

if TYPE_CHECKING:
    from corral.app.answering import Answering
    from corral.engines.types import EngineSpec
    from corral.inference import Inference, Route
    from corral.inference.routes.types import RouteSpec
    from corral.providers.types import Provider
    from corral.settings import Sourced

_KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "gemini": "GEMINI_API_KEY"}
"""Where a provider's key is when nobody says, as its own SDK has it."""
REMOTE = "corral"


class Backend(Protocol):
    """Who answers."""

    async def open(self) -> Inference:
        """Makes ready. Raises CorralError."""
        ...

    async def models(self, principal: Principal) -> list[Model]:
        """What can be asked for. Raises CorralError."""
        ...

    async def close(self) -> None:
        """Ends all that was begun; also after an `open` that failed."""
        ...


class Given(NamedTuple):
    """What was said when an `LLM` was made; see there."""

    data: Path | None
    config: Path | None
    providers: Mapping[str, Any]
    routes: Mapping[str, Any]
    limits: Sequence[Any]
    settings: Mapping[str, Any]
    environ: Mapping[str, str] | None


class Embedded:
    """In this process. Without a data folder it has one of its own, which goes when it is closed."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._answering: Answering | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def open(self) -> Inference:
        """See `Backend.open`. Raises Unavailable for a data folder that is in use, InvalidRequest for settings that are wrong."""
        try:
            return await self._open()
        except StartupError as error:
            if error.exit_code == 2:
                raise InvalidRequest(error.message) from error
            raise Unavailable(f"{error.message} A running Corral is asked with LLM(url=…).") from error

    async def _open(self) -> Inference:
        sourced, environ = await asyncio.to_thread(self._read)
        # Here and not above, so that `import corral` loads neither the database nor the engines; beside the caller's loop, since it
        # takes half a second.
        await asyncio.to_thread(import_module, "corral.app.answering")
        from corral.app.answering import Answering
        from corral.bus import MemoryBus
        from corral.kit.clock import SystemClock
        from corral.telemetry.logging import use_standard_logging

        use_standard_logging()
        answering = self._answering = Answering(sourced, environ, clock=SystemClock(), bus=MemoryBus())
        await answering.open()
        await answering.serve()
        return answering.inference

    def _read(self) -> tuple[Sourced, dict[str, str]]:
        from corral.settings import environment, load_settings

        given = self._given
        variables = environment() if given.environ is None else given.environ
        environ = dict(variables)
        flags: dict[str, Any] = {**given.settings, "data": given.data, "limits": given.limits or None}
        before = load_settings(flags, environ=variables, config=given.config)
        if before.sources["data"] == "default":
            self._folder = tempfile.TemporaryDirectory(prefix="corral-", ignore_cleanup_errors=True)
            flags["data"] = self._folder.name
        providers = {name: _provider(name, entry, environ) for name, entry in given.providers.items()}
        routes = {name: _route(entry) for name, entry in given.routes.items()}
        flags["providers"] = {**before.settings.providers, **providers}
        flags["routes"] = {**before.settings.routes, **routes}
        # A folder of its own has no file; the one that was read counts all the same.
        return load_settings(flags, environ=variables, config=given.config or before.file), environ

    async def models(self, principal: Principal) -> list[Model]:
        """See `Backend.models`."""
        assert self._answering is not None
        return [
            Model(one.id, one.title, one.owned_by, one.context_length, one.capabilities, one.state, one.local)
            for one in self._answering.listing().listed(principal)
        ]

    async def close(self) -> None:
        """See `Backend.close`."""
        answering, self._answering = self._answering, None
        if answering is not None:
            await answering.end()
            await answering.settle()
            await answering.close()
        folder, self._folder = self._folder, None
        if folder is not None:
            await asyncio.to_thread(folder.cleanup)


def _provider(name: str, given: Any, environ: dict[str, str]) -> dict[str, Any]:
    """A provider's settings; a key that stands among them goes where settings look for keys."""
    if not isinstance(given, Mapping):
        raise InvalidRequest(f"providers.{name}: must be a mapping with `kind`.", param=f"providers.{name}")
    entry = dict(given)
    kind = entry.setdefault("kind", name if name in ("openai", "anthropic", "gemini", "ollama") else "compatible")
    key = entry.pop("api_key", None)
    if key is not None:
        keys = [key] if isinstance(key, str) else list(key)
        variables = [f"LIBRARY_KEY_{len(environ)}_{number}" for number in range(len(keys))]
        environ.update(zip(variables, keys, strict=True))
        entry["api_key_env"] = variables
    elif "api_key_env" not in entry and environ.get(_KEYS.get(kind, "")):
        entry["api_key_env"] = [_KEYS[kind]]
    return entry


def _route(given: Any) -> Any:
    """A route's settings; a plain list is its candidates in order."""
    return {"candidates": list(given)} if isinstance(given, Sequence) and not isinstance(given, str) else given


class _NoModels:
    """A machine without models of its own."""

    def resolve(self, name: str | None) -> Route:
        raise ModelNotFound(f"There is no model {name!r} here.", param="model")

    def spec(self, model: str) -> EngineSpec:
        raise ModelNotFound(f"There is no model {model!r} here.", param="model")


class _Everything:
    """Every name stands for itself at one provider: see `inference.ports.Directory`."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def resolve(self, name: str | None) -> RouteSpec:
        from corral.inference.routes.types import Candidate, RouteSpec

        if not name:
            raise InvalidRequest("model: is needed when a running Corral is asked.", param="model")
        # It has tried all that it can by itself; a second attempt is for when it was away for a moment.
        return RouteSpec(name, (Candidate(REMOTE, name),), attempts=2)

    def provider(self, name: str) -> Provider:
        return self._provider


class Remote:
    """A Corral that runs somewhere, by its address and a key. Routes, failover and limits are its own."""

    def __init__(self, url: str, key: str | None) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._provider: Provider | None = None
        self._inference: Inference | None = None

    async def open(self) -> Inference:
        """See `Backend.open`. Raises InvalidRequest for an address that cannot be called."""
        from corral.bus import MemoryBus
        from corral.engines import EngineOptions, Engines
        from corral.inference import Inference
        from corral.kit.clock import SystemClock
        from corral.library.corral_provider import CorralProvider
        from corral.providers.types import Abilities, ProviderKey, ProviderSpec

        keys = (ProviderKey("key", self._key),) if self._key else ()
        abilities = Abilities(tools=True, images=True, json_schema=True)
        spec = ProviderSpec(REMOTE, "compatible", f"{self._url}/v1", keys, abilities=abilities)
        try:
            provider = self._provider = CorralProvider(spec)
        except InvalidRequest as error:
            raise InvalidRequest(f"url: {error.message}", param="url") from None
        clock, none = SystemClock(), _NoModels()
        # Never started: there is nothing here for it to run.
        engines = Engines(none, Path(os.devnull), clock=clock, bus=MemoryBus(), options=EngineOptions(), environ={})
        inference = self._inference = Inference(none, engines, queue=0)
        inference.use(_Everything(provider))
        return inference

    async def models(self, principal: Principal) -> list[Model]:
        """See `Backend.models`."""
        assert self._provider is not None
        found = []
        for one in await self._provider.models():
            chat = ("completion", "chat")
            found.append(
                Model(one.name, one.title or one.name, REMOTE, one.context_length, chat, "available", local=False)
            )
        return found

    async def close(self) -> None:
        """See `Backend.close`."""
        if self._inference is not None:
            await self._inference.stop()
        if self._provider is not None:
            await self._provider.close()


def principal_of(user: str) -> Principal:
    """Who asks: limits of users count by this name. Raises InvalidRequest."""
    from corral.accounts.service import LocalAccounts

    accounts = LocalAccounts()
    try:
        found = accounts.as_user(accounts.authenticate({}), user)
    except CorralError as error:
        raise InvalidRequest(f"user: {error.message}", param="user") from None
    return Principal(found.user_id, frozenset({Permission.INFERENCE, Permission.MODELS_READ}), found.key_id)
