"""`POST /api/chat`: say something to an agent (product row AG-1)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.agents import Accepted, Agents, NewMessage, TurnState
from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    EngineFailed,
    Interrupted,
    InvalidRequest,
    ModelNotFound,
    TooManyRequests,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from corral.surfaces.api.routing import ApiRouter, CurrentPrincipal
from corral.surfaces.api.sse import TurnStream

_REASONS = {
    kind.code: kind
    for kind in (
        ContextExceeded, InvalidRequest, ModelNotFound, EngineFailed, UpstreamFailed, UpstreamTimeout, TooManyRequests, Interrupted,
    )
}  # fmt: skip
"""Why a turn can have failed: the answer has the same status as if the model had been asked directly."""


class ChatBody(BaseModel):
    """A message, and where it goes."""

    model_config = ConfigDict(extra="forbid")

    message: str
    userId: str | None = None  # noqa: N815 - the name on the wire
    agentId: Annotated[str, Field(max_length=64)] | None = None  # noqa: N815
    stream: bool = False
    wait: bool = True
    idempotencyKey: str | None = None  # noqa: N815
    model: Annotated[str, Field(min_length=1, max_length=200)] | None = None


def chat_router(accounts: Accounts, agents: Agents) -> ApiRouter:
    """The route of the chat."""
    api = ApiRouter(accounts, tags=["chat"])

    @api.post("/api/chat", permission=Permission.CHAT)
    async def chat(body: ChatBody, principal: CurrentPrincipal) -> Response:
        user = accounts.as_user(principal, body.userId).user_id
        message = NewMessage(body.message, body.agentId, body.idempotencyKey, body.model)
        accepted = await agents.accept(user, message)
        events = agents.events(user, accepted.agent.id, accepted.turn.id)
        if body.stream:
            return TurnStream(accepted.turn.id, events)
        if not body.wait:
            return JSONResponse(_ids(accepted), status_code=202)
        text: list[str] = []
        end: dict[str, Any] | None = None
        async for event in events:
            if event.type == "token":
                text.append(event.data["text"])
            elif event.type == "end":
                end = dict(event.data)
        if end is None:
            raise Unavailable(
                "The server is stopping; the answer goes on after its start.", retry_after=5, details=_ids(accepted)
            )
        if end["state"] == TurnState.FAILED:
            raise await _failure(agents, user, accepted)
        answer = "".join(text)
        counted = {"messageCount": end["messageCount"], "state": end["state"]}
        return JSONResponse({"message": answer, "response": answer, **counted, **_ids(accepted)})

    return api


def _ids(accepted: Accepted) -> dict[str, Any]:
    return {"agentId": accepted.agent.id, "turnId": accepted.turn.id}


async def _failure(agents: Agents, user: str, accepted: Accepted) -> CorralError:
    turn = await agents.turn(user, accepted.agent.id, accepted.turn.id)
    details = {**_ids(accepted), "reason": turn.error_code}
    kind = _REASONS.get(turn.error_code or "", EngineFailed)
    return kind(turn.error_message or "The answer failed.", details=details)
