"""The composition root: the only place that names concrete parts and wires them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

from corral.accounts.service import LocalAccounts
from corral.accounts.types import Permission, Principal
from corral.agents import AgentOptions, Agents
from corral.bus import MemoryBus
from corral.engines import EngineOptions, Engines, EngineSpec
from corral.inference import Inference, Route
from corral.inference.tap import Meter
from corral.kit import faultpoints
from corral.kit.clock import SystemClock, iso
from corral.kit.errors import EngineFailed, ModelNotFound, StartupError
from corral.models import Model, ModelRegistry
from corral.models.registry import unknown_model
from corral.providers.types import ChatEvent, ChatRequest
from corral.realtime import Realtime, RealtimeParts
from corral.settings import Settings, is_loopback
from corral.store import Database, Location
from corral.surfaces.api.agents import agents_router
from corral.surfaces.api.application import build_api
from corral.surfaces.api.chat import chat_router
from corral.surfaces.api.health import health_router
from corral.surfaces.api.models import models_router
from corral.surfaces.asgi import App, Receive, Scope, Send
from corral.surfaces.edge.middleware import Edge, EdgePolicy, known_hosts
from corral.surfaces.openai.application import OpenAIApp
from corral.surfaces.openai.relay import Limits
from corral.surfaces.web import WebApp
from corral.telemetry import get_logger
from corral.version import __version__

PACKAGE = Path(__file__).parent
INCLUDED = PACKAGE / "included" / "corral-demo.gguf"
PUBLIC_EXIT = 4
_log = get_logger("corral.app")


class Catalogue:
    """Models and their engines together: fills the ports of engines, inference and the surfaces."""

    def __init__(self, settings: Settings, registry: ModelRegistry) -> None:
        self._settings = settings
        self._registry = registry
        self.engines: Engines | None = None

    def spec(self, model: str) -> EngineSpec:
        """See `engines.types.Specs`."""
        settings, entry = self._settings, self._settings.engines.get(model)
        if entry is not None:
            path = Path(entry.model) if entry.model else None
            return EngineSpec(model, path, 0, entry.context_length or settings.context_length, entry.slots, entry=entry)
        found = self._registry.get(model)
        if found.problem is not None:
            raise EngineFailed(f"The model {model!r} cannot be used: {found.problem}.")
        context = min(settings.context_length, found.context_length or settings.context_length)
        return EngineSpec(model, found.path, found.size_bytes, context, settings.slots, found.embeddings, found.mmproj)

    def resolve(self, name: str | None) -> Route:
        """See `inference.service.Routes`."""
        if name is None:
            name = self.default()
        if name not in self._settings.engines and name not in {model.name for model in self._registry.all()}:
            raise unknown_model(name, self.names())
        entry = self._settings.engines.get(name)
        return Route(name, entry.slots if entry else self._settings.slots)

    def default(self) -> str:
        """The model of new chats. Raises ModelNotFound when there is none."""
        if self._settings.default_model:
            return self._settings.default_model
        usable = [model for model in self._registry.all() if model.problem is None and not model.embeddings]
        names = [*self._settings.engines, *(model.name for model in usable)]
        if not names:
            raise ModelNotFound(f"There is no model yet. Put a GGUF file into {self._settings.data / 'models'}.")
        return names[0]

    def names(self) -> list[str]:
        """All names that can be asked for."""
        return [*self._settings.engines, *(model.name for model in self._registry.all())]

    def readiness(self) -> str | None:
        """Why no chat can be answered, None when one can."""
        try:
            self.resolve(None)
        except ModelNotFound as error:
            return error.message
        return None

    # surfaces.api.models.ModelControl

    def models(self) -> list[dict[str, Any]]:
        """All models in the wire form."""
        return [self.model(name) for name in self.names()]

    def model(self, name: str) -> dict[str, Any]:
        """One model in the wire form."""
        entry = self._settings.engines.get(name)
        found = None if entry is not None else self._registry.get(name)
        usable = found is None or found.problem is None
        status = self._running.status(name).as_dict() if usable else {"state": "failed"}
        wire = describe(found) if found is not None else {"name": name, "path": entry.model if entry else None}
        is_default = self._is_default(name)
        return {**wire, "state": status["state"], "engine": status if usable else None, "default": is_default}

    async def start(self, name: str) -> dict[str, Any]:
        """See ModelControl."""
        await self._running.start(name)
        return self.model(name)

    async def stop(self, name: str) -> dict[str, Any]:
        """See ModelControl."""
        await self._running.stop(name)
        return self.model(name)

    async def restart(self, name: str) -> dict[str, Any]:
        """See ModelControl."""
        await self._running.restart(name)
        return self.model(name)

    async def rescan(self) -> list[dict[str, Any]]:
        """See ModelControl."""
        await self._registry.rescan()
        return self.models()

    # surfaces.openai.Catalogue

    def openai_models(self) -> list[dict[str, Any]]:
        """Usable models in OpenAI's form."""
        usable = {model.name for model in self._registry.all() if model.problem is None} | set(self._settings.engines)
        return [self.openai_model(name) for name in self.names() if name in usable]

    def openai_model(self, name: str) -> dict[str, Any]:
        """One model in OpenAI's form."""
        wire = self.model(name)
        spec = self.spec(name)
        created = int(wire.pop("modified", 0))
        meta = {"n_ctx": spec.context_length, "n_ctx_train": wire.get("contextLength")}
        return {
            "id": name,
            "object": "model",
            "created": created,
            "owned_by": "corral",
            "type": "model",
            "name": wire.get("title") or name,
            "display_name": wire.get("title") or name,
            "context_length": spec.context_length,
            "meta": {**meta, "n_params": wire.get("parameters"), "size": wire.get("sizeBytes")},
            "status": {"value": wire["state"]},
        }

    def _is_default(self, name: str) -> bool:
        try:
            return self.default() == name
        except ModelNotFound:
            return False

    @property
    def _running(self) -> Engines:
        assert self.engines is not None
        return self.engines


def describe(model: Model) -> dict[str, Any]:
    """A model's own facts in the wire form."""
    return {
        "name": model.name,
        "title": model.title,
        "path": str(model.path),
        "sizeBytes": model.size_bytes,
        "architecture": model.architecture,
        "parameters": model.parameters,
        "quantization": model.quantization,
        "contextLength": model.context_length,
        "embeddingLength": model.embedding_length,
        "layers": model.layers,
        "heads": model.heads,
        "tokenizer": model.tokenizer,
        "licence": model.licence,
        "parts": model.parts,
        "mmproj": str(model.mmproj) if model.mmproj else None,
        "included": model.included,
        "problem": model.problem,
        "modified": model.modified,
    }


class AgentSource:
    """Fills the agents' port with inference, speaking for the agent's user."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    def stream(self, user_id: str, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """See `agents.ports.ModelSource`."""
        return self._inference.stream(Principal(user_id, frozenset({Permission.INFERENCE})), request)


class Corral:
    """The whole server. `start`, serve `asgi`, `stop`."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        if not is_loopback(settings.host):
            raise StartupError(
                f"Without accounts Corral serves this machine only; {settings.host} is not loopback. Use --host 127.0.0.1.",
                PUBLIC_EXIT,
            )
        if settings.faultpoint:
            faultpoints.arm(settings.faultpoint)
        self.settings = settings
        self.data = settings.data.resolve()
        self.bus = MemoryBus()
        self.accounts = LocalAccounts()
        self._clock = SystemClock()
        self._meter = Meter()
        self._started = self._clock.now()
        folders = [self.data / "models", *settings.models]
        self.registry = ModelRegistry(folders, INCLUDED, clock=self._clock, bus=self.bus)
        self.catalogue = Catalogue(settings, self.registry)
        options = EngineOptions(start_stall=settings.start_stall)
        ledger = self.data / "run"
        self.engines = Engines(
            self.catalogue, ledger, clock=self._clock, bus=self.bus, options=options, environ=environ
        )
        self.catalogue.engines = self.engines
        self.inference = Inference(self.catalogue, self.engines, queue=settings.queue)
        self._database: Database | None = None
        self._agents: Agents | None = None
        self._policy = EdgePolicy(known_hosts(settings.host, settings.allowed_hosts), settings.max_body_bytes)
        self._realtime: Realtime | None = None
        self.asgi: App = _not_started

    async def start(self) -> None:
        """Opens the data, ends left-over engines, finds models and goes on with unfinished turns. Raises StartupError."""
        settings = self.settings
        self._database = await Database.open(Location(self.data / "corral.db", settings.database_url))
        await self.engines.start_up()
        (self.data / "models").mkdir(exist_ok=True)
        await self.registry.start()
        options = AgentOptions(settings.system_prompt, settings.max_answer_tokens, settings.stop_grace)
        source = AgentSource(self.inference)
        self._agents = Agents(self._database, source, clock=self._clock, bus=self.bus, options=options)
        await self._agents.start()
        parts = RealtimeParts(
            self.accounts, self._agents, self.catalogue, self._health, self._policy, self.bus, self._clock
        )
        self._realtime = Realtime(parts)
        await self._realtime.start()
        self.asgi = self._build(self._agents, self._realtime)

    async def stop(self) -> None:
        """Lets turns finish for a while, then stops everything; what is left of a turn goes on after the next start."""
        if self._realtime is not None:
            await self._realtime.stop()
        if self._agents is not None:
            await self._agents.stop()
        self.inference.close()
        await self.engines.shut_down()
        await self.registry.stop()
        if self._database is not None:
            await self._database.close()

    def _build(self, agents: Agents, realtime: Realtime) -> App:
        accounts = self.accounts
        api = build_api(
            [
                chat_router(accounts, agents),
                agents_router(accounts, agents),
                models_router(accounts, self.catalogue),
                health_router(accounts, self.catalogue.readiness, self._health),
            ]
        )
        openai = OpenAIApp(accounts, self.inference, self.catalogue, self._meter, Limits())
        web = WebApp(PACKAGE / "web_dist")
        return Edge(_by_path(realtime.asgi, openai, api, web), self._policy)

    def _health(self) -> dict[str, Any]:
        totals = {
            name: {
                "requests": one.requests,
                "failures": one.failures,
                "promptTokens": one.prompt_tokens,
                "completionTokens": one.completion_tokens,
            }
            for name, one in self._meter.totals.items()
        }
        engines = [{**one.as_dict(), "waiting": self.inference.waiting(one.model)} for one in self.engines.statuses()]
        return {"version": __version__, "startedAt": iso(self._started), "engines": engines, "usage": totals}


def _by_path(realtime: Any, openai: App, api: Any, web: Any) -> App:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.startswith("/llamaproxws/"):
            await realtime(scope, receive, send)
        elif scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif path.startswith("/v1/"):
            await openai(scope, receive, send)
        elif (
            path.startswith("/api/") or path in ("/api", "/readyz", "/livez") or scope["method"] not in ("GET", "HEAD")
        ):
            await api(scope, receive, send)
        else:
            await web(scope, receive, send)

    return serve


async def _not_started(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("the server was asked before it had started")
