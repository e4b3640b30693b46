"""The register of intents: each with the permission it asks for and the shape of its data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from corral.accounts.types import Permission
from corral.kit.errors import InvalidRequest, NotFound
from corral.realtime.connection import Connection


class Body(BaseModel):
    """Base of the data of intents; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Nothing(Body):
    """No data."""


BodyT = TypeVar("BodyT", bound=Body)
Handler = Callable[[Connection, BodyT], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing a client can ask for."""

    event: str
    permission: Permission
    body: type[Body]
    handler: Handler[Any]


class Intents:
    """All intents of the server."""

    def __init__(self) -> None:
        self._intents: dict[str, Intent] = {}

    def add(self, event: str, permission: Permission, body: type[BodyT], handler: Handler[BodyT]) -> None:
        """Registers an intent. Raises TypeError without a permission, ValueError for a second of the name."""
        if not isinstance(permission, Permission):
            raise TypeError(f"the intent {event} declares no permission")
        if event in self._intents:
            raise ValueError(f"the intent {event} is registered twice")
        self._intents[event] = Intent(event, permission, body, handler)

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._intents)

    def knows(self, event: str) -> bool:
        """Whether there is an intent of that name."""
        return event in self._intents

    def get(self, event: str) -> Intent:
        """The intent of a name. Raises NotFound."""
        intent = self._intents.get(event)
        if intent is None:
            raise NotFound(f"There is no intent {event[:80]!r}.")
        return intent

    async def run(self, event: str, connection: Connection, data: dict[str, Any]) -> Any:
        """Checks permission, then data, then does it. Raises CorralError."""
        intent = self.get(event)
        connection.principal().require(intent.permission)
        try:
            body = intent.body.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or None
            raise InvalidRequest(f"{field or 'data'}: {first['msg']}.", param=field) from None
        return await intent.handler(connection, body)
