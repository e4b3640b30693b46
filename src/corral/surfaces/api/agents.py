"""`/api/agents…`: conversations, their messages and turns."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from corral.accounts.service import Accounts
from corral.accounts.types import Permission
from corral.agents import Agents
from corral.agents.sampling import Sampling
from corral.kit.errors import InvalidRequest
from corral.surfaces.api.routing import ApiRouter, CurrentPrincipal
from corral.surfaces.api.sse import TurnStream

UserId = Annotated[str | None, Query(alias="userId")]
Title = Annotated[str, Field(min_length=1, max_length=200)]
ModelName = Annotated[str, Field(min_length=1, max_length=200)]
MAX_OFFSET = 2**31 - 1


class NewAgent(BaseModel):
    """A new conversation."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    model: ModelName | None = None
    sampling: Sampling | None = None
    userId: str | None = None  # noqa: N815 - the name on the wire


class AgentChange(BaseModel):
    """What can be changed of a conversation; `sampling` replaces all of it, and `{}` gives it back to the model."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    model: ModelName | None = None
    sampling: Sampling | None = None


def agents_router(accounts: Accounts, agents: Agents) -> ApiRouter:
    """The routes of conversations."""
    api = ApiRouter(accounts, prefix="/api/agents", tags=["agents"])

    @api.get("", permission=Permission.AGENTS_READ)
    async def list_agents(
        principal: CurrentPrincipal,
        user_id: UserId = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        before: str | None = None,
    ) -> dict[str, Any]:
        user = accounts.as_user(principal, user_id).user_id
        return {"agents": [agent.as_dict() for agent in await agents.list_agents(user, limit=limit, before=before)]}

    @api.post("", permission=Permission.AGENTS_WRITE, status_code=201)
    async def create_agent(body: NewAgent, principal: CurrentPrincipal, user_id: UserId = None) -> dict[str, Any]:
        user = accounts.as_user(principal, body.userId or user_id).user_id
        return (await agents.create(user, title=body.title, model=body.model, sampling=body.sampling)).as_dict()

    @api.get("/{agent_id}", permission=Permission.AGENTS_READ)
    async def get_agent(agent_id: str, principal: CurrentPrincipal, user_id: UserId = None) -> dict[str, Any]:
        return (await agents.get(accounts.as_user(principal, user_id).user_id, agent_id)).as_dict()

    @api.patch("/{agent_id}", permission=Permission.AGENTS_WRITE)
    async def change_agent(
        agent_id: str, body: AgentChange, principal: CurrentPrincipal, user_id: UserId = None
    ) -> dict[str, Any]:
        user = accounts.as_user(principal, user_id).user_id
        changed = await agents.change(user, agent_id, title=body.title, model=body.model, sampling=body.sampling)
        return changed.as_dict()

    @api.delete("/{agent_id}", permission=Permission.AGENTS_WRITE)
    async def delete_agent(agent_id: str, principal: CurrentPrincipal, user_id: UserId = None) -> dict[str, Any]:
        await agents.delete(accounts.as_user(principal, user_id).user_id, agent_id)
        return {"deleted": agent_id, "undo": f"POST /api/agents/{agent_id}/restore"}

    @api.post("/{agent_id}/restore", permission=Permission.AGENTS_WRITE)
    async def restore_agent(agent_id: str, principal: CurrentPrincipal, user_id: UserId = None) -> dict[str, Any]:
        return (await agents.restore(accounts.as_user(principal, user_id).user_id, agent_id)).as_dict()

    _message_routes(api, accounts, agents)
    _turn_routes(api, accounts, agents)
    return api


def _message_routes(api: ApiRouter, accounts: Accounts, agents: Agents) -> None:
    @api.get("/{agent_id}/messages", permission=Permission.AGENTS_READ)
    async def list_messages(
        agent_id: str,
        principal: CurrentPrincipal,
        user_id: UserId = None,
        after: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> dict[str, Any]:
        user = accounts.as_user(principal, user_id).user_id
        found = await agents.messages(user, agent_id, after=after, limit=limit + 1)
        page: dict[str, Any] = {"messages": [message.as_dict() for message in found[:limit]]}
        if len(found) > limit:
            page["nextAfter"] = found[limit - 1].seq
        return page


def _turn_routes(api: ApiRouter, accounts: Accounts, agents: Agents) -> None:
    @api.get("/{agent_id}/turns/{turn_id}", permission=Permission.AGENTS_READ)
    async def get_turn(
        agent_id: str, turn_id: str, principal: CurrentPrincipal, user_id: UserId = None
    ) -> dict[str, Any]:
        return (await agents.turn(accounts.as_user(principal, user_id).user_id, agent_id, turn_id)).as_dict()

    @api.get("/{agent_id}/turns/{turn_id}/events", permission=Permission.AGENTS_READ)
    async def turn_events(
        agent_id: str,
        turn_id: str,
        principal: CurrentPrincipal,
        user_id: UserId = None,
        start: Annotated[int | None, Query(alias="from", ge=0, le=MAX_OFFSET)] = None,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> Response:
        user = accounts.as_user(principal, user_id).user_id
        place = start if start is not None else after_last(last_event_id)
        turn = await agents.turn(user, agent_id, turn_id)
        agents.check_offset(turn, place)
        return TurnStream(turn_id, agents.events(user, agent_id, turn_id, place))

    @api.post("/{agent_id}/turns/{turn_id}/cancel", permission=Permission.AGENTS_WRITE)
    async def cancel_turn(
        agent_id: str, turn_id: str, principal: CurrentPrincipal, user_id: UserId = None
    ) -> dict[str, Any]:
        turn = await agents.cancel(accounts.as_user(principal, user_id).user_id, agent_id, turn_id)
        return {**turn.as_dict(), "finalOffset": turn.next_offset}


def after_last(last_event_id: str | None) -> int:
    """The offset after the one of a `Last-Event-ID`. Raises InvalidRequest."""
    if last_event_id is None or last_event_id == "":
        return 0
    if not last_event_id.isascii() or not last_event_id.isdigit() or len(last_event_id) > 9:
        raise InvalidRequest("Last-Event-ID is not an offset.", param="Last-Event-ID")
    return int(last_event_id) + 1
