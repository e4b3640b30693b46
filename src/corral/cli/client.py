"""Talks to a running server over its API, as any other program would."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from corral.kit.errors import CorralError, StartupError, Unavailable

NO_SERVER_EXIT = 6
FAILED_EXIT = 1
PATIENCE = 60.0
"""Seconds that a lost connection is tried again."""
_MAX_ANSWER = 64 * 1024 * 1024
_MAX_LINE = 1024 * 1024
LOST = (OSError, http.client.HTTPException)
"""What is raised when the server is away."""
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Refused(CorralError):
    """The server refused: its own words, and the status of its answer."""

    def __init__(self, answered: int, message: str) -> None:
        super().__init__(message)
        self.answered = answered


class NoServer(StartupError):
    """Nothing answers at the address."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"No server answers at {url}. Start one with `corral serve`, or name another with --url.", NO_SERVER_EXIT
        )


class Client:
    """One server. `user` names the user while accounts are off."""

    def __init__(self, url: str, user: str | None = None) -> None:
        self.url = url.rstrip("/")
        if urllib.parse.urlsplit(self.url).scheme not in ("http", "https"):
            raise StartupError(f"--url {url}: an address such as http://127.0.0.1:3000 is needed.", 2)
        self.user = user

    def ask(self, method: str, path: str, body: Any = None, *, seconds: float = 30.0) -> Any:
        """The JSON of an answer. Raises Refused with the server's reason, and OSError or HTTPException when it is away."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._address(path), data, {"Content-Type": "application/json"}, method=method)
        try:
            with _DIRECT.open(request, timeout=seconds) as answer:
                return json.loads(answer.read(_MAX_ANSWER) or b"null")
        except urllib.error.HTTPError as error:
            raise refusal(error) from None
        except ValueError:
            raise Refused(200, f"What answers at {self.url} is not Corral.") from None

    def must(self, method: str, path: str, body: Any = None, *, seconds: float = 30.0) -> Any:
        """As `ask`, for when the server has to be there. Raises NoServer."""
        try:
            return self.ask(method, path, body, seconds=seconds)
        except LOST as error:
            raise NoServer(self.url) from error

    def patiently(self, work: Callable[[], Any], told: Callable[[str], None]) -> Any:
        """Does `work`, trying again while the server is away; `told` hears of it once. Raises NoServer after a minute."""
        deadline = time.monotonic() + PATIENCE
        pause = 0.2
        away = False
        while True:
            try:
                return work()
            except (*LOST, Unavailable) as error:
                if time.monotonic() > deadline:
                    raise NoServer(self.url) from error
                if not away:
                    away = True
                    told("The connection is lost; trying again …")
                time.sleep(pause)
                pause = min(2.0, pause * 2)

    def events(
        self, agent_id: str, turn_id: str, told: Callable[[str], None], place: int = 0
    ) -> Iterator[dict[str, Any]]:
        """The events of a turn from `place` to its end, each once, over lost connections and restarts of the server."""
        while True:
            path = f"/api/agents/{agent_id}/turns/{turn_id}/events?from={place}"
            stream = self.patiently(partial(self._open, path), told)
            try:
                with stream:
                    for event in _read(stream):
                        if event["offset"] < place:
                            continue
                        place = event["offset"] + 1
                        yield event
                        if event["type"] == "end":
                            return
            except LOST:
                continue

    def _open(self, path: str) -> Any:
        try:
            return _DIRECT.open(self._address(path), timeout=60.0)
        except urllib.error.HTTPError as error:
            refused = refusal(error)
            if refused.answered == 503:
                raise Unavailable(refused.message) from None
            raise refused from None

    def _address(self, path: str) -> str:
        if self.user is None:
            return self.url + path
        return f"{self.url}{path}{'&' if '?' in path else '?'}userId={urllib.parse.quote(self.user)}"


def _read(stream: Any) -> Iterator[dict[str, Any]]:
    """The events of a stream of server-sent events; ends when the connection does."""
    while line := stream.readline(_MAX_LINE):
        if line.startswith(b"data: "):
            yield json.loads(line[6:])
    time.sleep(0.1)


def refusal(error: urllib.error.HTTPError) -> Refused:
    """What the server said."""
    try:
        told = json.loads(error.read(_MAX_LINE))["error"]
        fields = (told.get("details") or {}).get("fields") or {}
        more = "".join(f"\n  {name}: {reason}" for name, reason in fields.items()) if len(fields) > 1 else ""
        return Refused(error.code, str(told.get("message")) + more)
    except (ValueError, LookupError, AttributeError, TypeError):
        return Refused(error.code, f"The server answered with status {error.code}.")
