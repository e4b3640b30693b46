"""What each intent does."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from corral.accounts.types import Permission
from corral.agents.types import NewMessage
from corral.realtime.connection import Connection, Following
from corral.realtime.following import Followers
from corral.realtime.intents import Body, Intents, Nothing
from corral.realtime.ports import AgentsPort, ModelsPort, StatusPort

Id = Annotated[str, Field(min_length=1, max_length=64)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Offset = Annotated[int, Field(ge=0, le=2**31 - 1)]


class ModelBody(Body):
    name: Name


class AgentBody(Body):
    agentId: Id  # noqa: N815 - the names on the wire


class NewAgentBody(Body):
    title: Name | None = None
    model: Name | None = None


class RenameBody(AgentBody):
    title: Name


class MessagesBody(AgentBody):
    after: Offset = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class SendBody(Body):
    message: str
    agentId: Id | None = None  # noqa: N815
    idempotencyKey: str | None = None  # noqa: N815
    model: Name | None = None


class TurnBody(AgentBody):
    turnId: Id  # noqa: N815


class SubscribeBody(TurnBody):
    start: Offset = Field(0, alias="from")


class UnsubscribeBody(Body):
    turnId: Id  # noqa: N815


def add_models(intents: Intents, models: ModelsPort, status: StatusPort) -> None:
    """The intents about models, and the server's status."""

    async def listing(_: Connection, __: Nothing) -> Any:
        return {"models": models.models()}

    async def one(_: Connection, body: ModelBody) -> Any:
        return models.model(body.name)

    async def start(_: Connection, body: ModelBody) -> Any:
        return await models.start(body.name)

    async def stop(_: Connection, body: ModelBody) -> Any:
        return await models.stop(body.name)

    async def restart(_: Connection, body: ModelBody) -> Any:
        return await models.restart(body.name)

    async def rescan(_: Connection, __: Nothing) -> Any:
        return {"models": await models.rescan()}

    async def state(_: Connection, __: Nothing) -> Any:
        return status()

    intents.add("models:list", Permission.MODELS_READ, Nothing, listing)
    intents.add("models:get", Permission.MODELS_READ, ModelBody, one)
    intents.add("models:start", Permission.MODELS_MANAGE, ModelBody, start)
    intents.add("models:stop", Permission.MODELS_MANAGE, ModelBody, stop)
    intents.add("models:restart", Permission.MODELS_MANAGE, ModelBody, restart)
    intents.add("models:rescan", Permission.MODELS_MANAGE, Nothing, rescan)
    intents.add("status:get", Permission.STATUS, Nothing, state)


def add_agents(intents: Intents, agents: AgentsPort) -> None:
    """The intents about conversations. The user is the socket's own, never one named in the data."""

    async def listing(connection: Connection, _: Nothing) -> Any:
        return {"agents": [agent.as_dict() for agent in await agents.list_agents(_user(connection))]}

    async def one(connection: Connection, body: AgentBody) -> Any:
        return (await agents.get(_user(connection), body.agentId)).as_dict()

    async def create(connection: Connection, body: NewAgentBody) -> Any:
        return (await agents.create(_user(connection), title=body.title, model=body.model)).as_dict()

    async def rename(connection: Connection, body: RenameBody) -> Any:
        return (await agents.change(_user(connection), body.agentId, title=body.title)).as_dict()

    async def delete(connection: Connection, body: AgentBody) -> Any:
        await agents.delete(_user(connection), body.agentId)
        return {"deleted": body.agentId}

    async def restore(connection: Connection, body: AgentBody) -> Any:
        return (await agents.restore(_user(connection), body.agentId)).as_dict()

    async def messages(connection: Connection, body: MessagesBody) -> Any:
        user = _user(connection)
        found = await agents.messages(user, body.agentId, after=body.after, limit=body.limit + 1)
        page: dict[str, Any] = {"messages": [message.as_dict() for message in found[: body.limit]]}
        if len(found) > body.limit:
            page["nextAfter"] = found[body.limit - 1].seq
        return page

    intents.add("agents:list", Permission.AGENTS_READ, Nothing, listing)
    intents.add("agents:get", Permission.AGENTS_READ, AgentBody, one)
    intents.add("agents:create", Permission.AGENTS_WRITE, NewAgentBody, create)
    intents.add("agents:rename", Permission.AGENTS_WRITE, RenameBody, rename)
    intents.add("agents:delete", Permission.AGENTS_WRITE, AgentBody, delete)
    intents.add("agents:restore", Permission.AGENTS_WRITE, AgentBody, restore)
    intents.add("agents:messages", Permission.AGENTS_READ, MessagesBody, messages)


def add_turns(intents: Intents, agents: AgentsPort, followers: Followers) -> None:
    """The intents about messages and their answers."""

    async def send(connection: Connection, body: SendBody) -> Any:
        message = NewMessage(body.message, body.agentId, body.idempotencyKey, body.model)
        accepted = await agents.accept(_user(connection), message)
        return {"agentId": accepted.agent.id, "turnId": accepted.turn.id, "seq": accepted.turn.user_seq}

    async def subscribe(connection: Connection, body: SubscribeBody) -> Any:
        return await followers.follow(connection, Following(body.agentId, body.turnId, body.start))

    async def unsubscribe(connection: Connection, body: UnsubscribeBody) -> Any:
        return {"turnId": body.turnId, "was": followers.leave(connection, body.turnId)}

    async def cancel(connection: Connection, body: TurnBody) -> Any:
        turn = await agents.cancel(_user(connection), body.agentId, body.turnId)
        return {**turn.as_dict(), "finalOffset": turn.next_offset}

    intents.add("chat:send", Permission.CHAT, SendBody, send)
    intents.add("turn:subscribe", Permission.AGENTS_READ, SubscribeBody, subscribe)
    intents.add("turn:unsubscribe", Permission.AGENTS_READ, UnsubscribeBody, unsubscribe)
    intents.add("turn:cancel", Permission.AGENTS_WRITE, TurnBody, cancel)


def _user(connection: Connection) -> str:
    return connection.principal().user_id
