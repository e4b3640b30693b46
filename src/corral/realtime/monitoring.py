"""The intents about metrics and the log."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from corral.accounts.types import Permission
from corral.monitoring.logs import Logs
from corral.monitoring.metrics import Metrics
from corral.realtime.connection import Connection
from corral.realtime.intents import Body, Intents, Nothing
from corral.realtime.log_followers import LogFollowers

Level = Literal["debug", "info", "warning", "error"]
Source = Annotated[str, Field(min_length=1, max_length=220)]
Text = Annotated[str, Field(max_length=500)]
Place = Annotated[str, Field(max_length=40)] | Annotated[int, Field(ge=0, lt=2**53)]


class HistoryBody(Body):
    range: Annotated[str, Field(max_length=8)] = "10m"
    engine: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class LogSearchBody(Body):
    level: Level | None = None
    source: Source | None = None
    text: Text | None = None
    requestId: Annotated[str, Field(max_length=80)] | None = None  # noqa: N815 - the names on the wire
    before: Place | None = None
    after: Place | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 200


class LogWatchBody(Body):
    level: Level = "info"
    sources: Annotated[tuple[Source, ...], Field(max_length=50)] = ()


class LogLevelsBody(Body):
    level: Level | None = None
    levels: dict[Source, Level | None] | None = None
    reset: bool = False


def add_metrics(intents: Intents, metrics: Metrics) -> None:
    """The intents about metrics."""

    async def latest(_: Connection, __: Nothing) -> Any:
        return await metrics.latest()

    async def history(_: Connection, body: HistoryBody) -> Any:
        return await metrics.history(body.range, body.engine)

    intents.add("metrics:latest", Permission.MONITORING_READ, Nothing, latest)
    intents.add("metrics:history", Permission.MONITORING_READ, HistoryBody, history)


def add_logs(intents: Intents, logs: Logs, followers: LogFollowers) -> None:
    """The intents about the log."""

    async def search(_: Connection, body: LogSearchBody) -> Any:
        return await logs.search(body.model_dump(exclude={"limit"}), body.limit)

    async def watch(connection: Connection, body: LogWatchBody) -> Any:
        return followers.watch(connection, body.level, body.sources)

    async def leave(connection: Connection, _: Nothing) -> Any:
        return {"was": followers.leave(connection)}

    async def config(connection: Connection, body: LogLevelsBody) -> Any:
        if body.level is None and not body.levels and not body.reset:
            return await logs.config()
        principal = connection.principal()
        principal.require(Permission.LOGS_MANAGE)
        return await logs.change(body.level, body.levels, reset=body.reset, by=principal.user_id)

    intents.add("logs:search", Permission.LOGS_READ, LogSearchBody, search)
    intents.add("logs:subscribe", Permission.LOGS_READ, LogWatchBody, watch)
    intents.add("logs:unsubscribe", Permission.LOGS_READ, Nothing, leave)
    intents.add("logs:config", Permission.LOGS_READ, LogLevelsBody, config)
