"""The Socket.IO door at `/llamaproxws`."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.bus import Bus
from corral.kit.clock import Clock
from corral.kit.context import request_id as current_request
from corral.kit.errors import CorralError, InternalError, InvalidRequest, TooManyRequests
from corral.kit.ids import new_request_id
from corral.kit.tasks import Tasks
from corral.kit.trace import current_trace
from corral.realtime import envelope
from corral.realtime.broadcast import Broadcast
from corral.realtime.connection import Connection
from corral.realtime.following import Followers
from corral.realtime.handlers import add_agents, add_models, add_turns
from corral.realtime.intents import Intents
from corral.realtime.lean_socketio import socketio
from corral.realtime.packets import FastJson, TextPacket
from corral.realtime.ports import AgentsPort, DoorPolicy, ModelsPort, StatusPort
from corral.realtime.recovery import Recovery
from corral.telemetry import get_logger
from corral.telemetry.classification import ErrorLog, classify
from corral.telemetry.spans import Kind
from corral.telemetry.tracing import Tracing

PATH = "/llamaproxws"
_log = get_logger("corral.realtime")
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RealtimeOptions:
    """Limits a socket, and times in seconds."""

    max_waiting: int = 512
    max_turns: int = 32
    max_in_flight: int = 32
    patience: float = 20.0
    heartbeat: float = 30.0
    keep_sessions: float = 120.0
    max_message_bytes: int = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RealtimeParts:
    """What the door is wired to."""

    accounts: Accounts
    agents: AgentsPort
    models: ModelsPort
    status: StatusPort
    policy: DoorPolicy
    bus: Bus
    clock: Clock
    topics: Mapping[str, Permission] = field(default_factory=dict)
    """Further topics of the bus whose events are passed on as they are, each with the permission that it asks for."""
    doors: Sequence[Callable[[Intents], None]] = ()
    """Further intents: each is called once with the register."""
    errors: ErrorLog | None = None
    """Where what intents refuse is noted."""
    tracing: Tracing = field(default_factory=Tracing)


class Realtime:
    """The door: serve `asgi` for all paths below `PATH`; `start` before, `stop` after."""

    def __init__(self, parts: RealtimeParts, options: RealtimeOptions | None = None) -> None:
        self._parts = parts
        self._options = options = options or RealtimeOptions()
        self._tasks = Tasks("realtime")
        self._connections: dict[str, Connection] = {}
        self._recovery = Recovery(parts.clock, options.keep_sessions)
        limits = (options.max_turns, options.max_waiting, options.patience)
        self._followers = Followers(parts.agents, parts.clock, self._tasks, limits=limits, tracing=parts.tracing)
        self._broadcast = Broadcast(parts, self._connections, options.max_waiting, options.heartbeat)
        self.intents = Intents()
        add_models(self.intents, parts.models, parts.status)
        add_agents(self.intents, parts.agents)
        add_turns(self.intents, parts.agents, self._followers)
        for add in parts.doors:
            add(self.intents)
        # Host and Origin are checked in `asgi`, before the library sees the connection: its own check knows no hosts.
        self._sio = socketio.AsyncServer(
            async_mode="asgi", cors_allowed_origins=[], ping_interval=25, ping_timeout=60, logger=False,
            engineio_logger=False, max_http_buffer_size=options.max_message_bytes, namespaces=["/"],
            serializer=TextPacket, json=FastJson,
        )  # fmt: skip
        self._inner = socketio.ASGIApp(self._sio, socketio_path=PATH.strip("/"))
        self._sio.on("connect", self._connected)
        self._sio.on("disconnect", self._disconnected)
        self._sio.on("*", self._intent)

    async def start(self) -> None:
        """Begins to pass on news."""
        self._tasks.start("news", self._broadcast.news())
        self._tasks.start("models", self._broadcast.models())
        self._tasks.start("heartbeat", self._broadcast.beat())

    async def stop(self) -> None:
        """Closes all sockets; their clients come back to the next server."""
        for connection in list(self._connections.values()):
            connection.abort()
        await self._tasks.stop()

    @property
    def sockets(self) -> int:
        """How many sockets are open."""
        return len(self._connections)

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request or WebSocket of Socket.IO."""
        found = {name: value for name, value in scope["headers"] if name in (b"host", b"origin")}
        policy, host = self._parts.policy, found.get(b"host")
        if not policy.admits_host(host):
            await _refuse(scope, receive, send, 421)
            return
        if not policy.admits_origin(found.get(b"origin"), host):
            await _refuse(scope, receive, send, 403)
            return
        if scope["type"] != "websocket":
            await self._inner(scope, receive, send)
            return
        abort = asyncio.Event()
        scope["corral.abort"] = abort
        serving = asyncio.create_task(self._inner(scope, receive, send), name="socket")
        aborted = asyncio.create_task(abort.wait(), name="socket abort")
        try:
            await asyncio.wait({serving, aborted}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            aborted.cancel()
            serving.cancel()
            await asyncio.wait({serving, aborted})

    async def _connected(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        auth = auth if isinstance(auth, dict) else {}
        scope = environ.get("asgi.scope", {})
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope.get("headers", ())}
        session = secrets.token_urlsafe(24)
        connection = Connection(
            sid, session, self._parts.accounts, headers, auth.get("userId"),
            lambda: self._abort(sid, scope.get("corral.abort")), lambda: self._waiting(sid),
            lambda event, body: self._sio.emit(event, body, to=sid),
        )  # fmt: skip
        try:
            user = connection.principal().user_id
        except CorralError as error:
            raise socketio.exceptions.ConnectionRefusedError({"code": error.code, "message": error.message}) from None
        self._connections[sid] = connection
        self._tasks.start("greeting", self._greet(connection, user, auth))

    async def _greet(self, connection: Connection, user: str, auth: dict[str, Any]) -> None:
        kept = self._recovery.take(auth.get("session"), user, auth.get("offsets"))
        body = {"session": connection.session, "userId": user, "recovered": kept is not None}
        await connection.send("session:ready", envelope.push("session:ready", body, self._parts.clock.now()))
        for following in kept or ():
            try:
                await self._followers.follow(connection, following)
            except CorralError as error:
                _log.info("not_resubscribed", turn=following.turn_id, code=error.code)

    async def _disconnected(self, sid: str, reason: str = "") -> None:
        connection = self._connections.pop(sid, None)
        if connection is None:
            return
        with contextlib.suppress(CorralError):
            self._recovery.keep(connection.session, connection.principal().user_id, connection.following.values())
        self._followers.leave_all(connection)
        for ended in connection.endings:
            ended()

    async def _intent(self, event: str, sid: str, *args: Any) -> None:
        connection = self._connections.get(sid)
        if connection is None:
            return
        payload = args[0] if args else None
        asked = envelope.request_id_of(payload)
        token = current_request.set(asked or new_request_id())
        tracing, name = self._parts.tracing, event if self.intents.knows(event) else "unknown"
        begun = tracing.continued(envelope.traceparent_of(payload))
        above = current_trace.set(begun)
        try:
            with tracing.measured(f"intent {name}", Kind.SERVER, room="realtime") as span:
                # What it begins may go on long after it, in tasks that know its id.
                tracing.remember(current_request.get(), span.trace)
                told = await self._run(event, connection, payload)
            answer = envelope.result(event, told, asked, self._now())
        except CorralError as error:
            if self._parts.errors is not None:
                self._parts.errors.note(error, "socket", intent=event[:80])
            answer = envelope.failure(event, error, asked, self._now())
        finally:
            current_trace.reset(above)
            current_request.reset(token)
        if connection.waiting() >= self._options.max_waiting:
            connection.abort()
            return
        await connection.send(answer["event"], answer)

    async def _run(self, event: str, connection: Connection, payload: Any) -> Any:
        if len(event) > 80:
            raise InvalidRequest("There is no such intent.")
        if connection.in_flight >= self._options.max_in_flight:
            raise TooManyRequests("Too many requests of this socket are under way.", retry_after=1)
        request = envelope.parse(payload)
        connection.in_flight += 1
        try:
            ran: Any = await asyncio.gather(self.intents.run(event, connection, request.data), return_exceptions=True)
        finally:
            connection.in_flight -= 1
        [outcome] = ran
        if isinstance(outcome, BaseException) and not isinstance(outcome, CorralError):
            _log.error("intent_failed", intent=event, **classify(outcome).facts, exc_info=outcome)
            raise InternalError("Something went wrong in Corral; its log has the details.")
        if isinstance(outcome, CorralError):
            raise outcome
        return outcome

    def _waiting(self, sid: str) -> int:
        engine_sid = self._sio.manager.eio_sid_from_sid(sid, "/")
        socket = self._sio.eio.sockets.get(engine_sid) if engine_sid else None
        return 0 if socket is None else int(socket.queue.qsize())

    def _abort(self, sid: str, transport: asyncio.Event | None) -> None:
        if transport is not None:
            transport.set()
        else:
            self._sio.start_background_task(self._sio.disconnect, sid)

    def _now(self) -> Any:
        return self._parts.clock.now()


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
