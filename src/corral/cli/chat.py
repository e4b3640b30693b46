"""`corral chat`: a conversation in the terminal that survives lost connections and restarts of the server."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from corral.cli.client import FAILED_EXIT, LOST, Client, NoServer, Refused
from corral.cli.output import plain
from corral.kit.ids import new_id

HELP = """/new              a new conversation
/agents           your conversations
/open ID          go on with one of them
/model NAME       which model answers here
/rename TITLE     another title
/delete           delete this conversation
/undo             bring back what was deleted last
/quit             leave (Ctrl+D too)
Ctrl+C stops an answer; what was written so far is kept. A second one leaves it at once."""


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """What the command line asked for; `as_json` prints the events as lines of JSON."""

    agent: str | None = None
    model: str | None = None
    as_json: bool = False


class Conversation:
    """One conversation at a time."""

    def __init__(self, client: Client, options: ChatOptions) -> None:
        self._client = client
        self._json = options.as_json
        self._agent = options.agent
        self._model = options.model
        self._deleted: str | None = None
        self._commands: dict[str, Callable[[str], None]] = {
            "/help": lambda _: note(HELP), "/new": self._new, "/agents": self._agents, "/open": self._open,
            "/model": self._set_model, "/rename": self._rename, "/delete": self._delete, "/undo": self._undo,
        }  # fmt: skip

    def say(self, text: str) -> bool:
        """Sends a message and prints the answer as it comes. Whether the answer was completed.

        Raises Refused with the server's reason and NoServer. Ctrl+C stops the answer and returns False.
        """
        body: dict[str, Any] = {"message": text, "wait": False, "idempotencyKey": new_id("msg")}
        if self._client.user:
            body["userId"] = self._client.user
        if self._agent:
            body["agentId"] = self._agent
        if self._model:
            body["model"] = self._model
        # The same key every time: a message whose acknowledgement was lost is not said twice.
        accepted = self._client.patiently(lambda: self._client.ask("POST", "/api/chat", body), note)
        self._agent = accepted["agentId"]
        return self._follow(accepted["agentId"], accepted["turnId"])

    def _follow(self, agent_id: str, turn_id: str) -> bool:
        place = 0
        stopping = False
        while True:
            try:
                for event in self._client.events(agent_id, turn_id, note, place):
                    place = event["offset"] + 1
                    self._show(event)
                    if event["type"] == "end":
                        return bool(event["state"] == "completed")
            except KeyboardInterrupt:
                if stopping:
                    raise
                stopping = True
                with contextlib.suppress(*LOST, Refused):
                    self._client.ask("POST", f"/api/agents/{agent_id}/turns/{turn_id}/cancel")

    def _show(self, event: dict[str, Any]) -> None:
        if self._json:
            sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
        elif event["type"] == "token":
            sys.stdout.write(plain(event["text"]))
        elif event["type"] == "error":
            note(f"\n{plain(event['message'])}")
        elif event["type"] == "end":
            sys.stdout.write("\n")
            if event["state"] == "cancelled":
                note("(stopped)")
        sys.stdout.flush()

    def command(self, line: str) -> None:
        """A line that begins with a slash. Raises Refused and NoServer."""
        name, _, rest = line.partition(" ")
        found = self._commands.get(name)
        if found is None:
            note(f"{plain(name)} is no command. /help lists them.")
            return
        found(rest.strip())

    def _new(self, title: str) -> None:
        agent = self._client.must("POST", "/api/agents", {"title": title} if title else {})
        self._agent = agent["id"]
        note(f"A new conversation, {agent['id']}.")

    def _agents(self, _: str) -> None:
        found = self._client.must("GET", "/api/agents")["agents"]
        for agent in found:
            mark = "*" if agent["id"] == self._agent else " "
            note(f"{mark} {agent['id']}  {plain(agent['title'])}  ({agent['messageCount']} messages)")
        if not found:
            note("No conversations yet.")

    def _open(self, agent_id: str) -> None:
        agent = self._client.must("GET", f"/api/agents/{quote(agent_id or '-', safe='')}")
        self._agent = agent["id"]
        after = max(0, agent["messageCount"] - 6)
        for message in self._client.must("GET", f"/api/agents/{agent['id']}/messages?after={after}")["messages"]:
            if message["role"] != "system":
                note(
                    f"{'you' if message['role'] == 'user' else agent['model'] or 'model'}: {plain(message['content'])}"
                )

    def _set_model(self, name: str) -> None:
        if name:
            self._client.must("GET", f"/api/models/{quote(name)}")
            self._model = name
        note(f"Model: {self._model or 'the default one'}")

    def _rename(self, title: str) -> None:
        self._client.must("PATCH", f"/api/agents/{self._current()}", {"title": title})
        note(f"Renamed to {plain(title)}.")

    def _delete(self, _: str) -> None:
        self._client.must("DELETE", f"/api/agents/{self._current()}")
        self._deleted, self._agent = self._agent, None
        note("Deleted. /undo brings it back.")

    def _undo(self, _: str) -> None:
        if self._deleted is None:
            note("There is nothing to undo.")
            return
        agent = self._client.must("POST", f"/api/agents/{self._deleted}/restore")
        self._agent, self._deleted = agent["id"], None
        note(f"{plain(agent['title'])} is back.")

    def _current(self) -> str:
        if self._agent is None:
            raise Refused(404, "There is no conversation yet; write something first.")
        return self._agent


def note(text: str) -> None:
    """A line beside the conversation: on standard error, so that a pipe gets answers alone."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def once(client: Client, options: ChatOptions, message: str) -> int:
    """One message; the exit code."""
    return 0 if Conversation(client, options).say(message) else FAILED_EXIT


def interactive(client: Client, options: ChatOptions) -> int:
    """Reads lines until the end; the exit code. Raises NoServer when there is no server to begin with."""
    import readline  # noqa: F401 - gives input() history and editing

    client.must("GET", "/livez")
    note("Write a message, or /help. Ctrl+D leaves.")
    conversation = Conversation(client, options)
    while True:
        try:
            line = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            note("")
            return 0
        if line == "/quit":
            return 0
        try:
            if line.startswith("/"):
                conversation.command(line)
            elif line:
                conversation.say(line)
        except KeyboardInterrupt:
            note("")
        except Refused as error:
            note(plain(error.message))
        except NoServer as error:
            note(error.message)
