"""A client of `/api/v1` that holds every answer against the server's own OpenAPI description."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from corral.kit.json_schema import problems
from tests.support.server import Server

GENERATE = "/api/v1/generate"


@dataclass(frozen=True)
class Answered:
    """An answer. `body` is its JSON, or for a stream the events as (name, data)."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def data(self) -> Any:
        """The data of a good answer."""
        assert self.body["success"] is True, self.body
        return self.body["data"]

    @property
    def error(self) -> Any:
        """The error of a bad one."""
        assert self.body["success"] is False, self.body
        return self.body["error"]

    @property
    def fields(self) -> list[str]:
        """The fields at fault."""
        return [one["field"] for one in self.error["details"]["fields"]]


class Client:
    """Asks a server."""

    def __init__(self, server: Server) -> None:
        place = urlsplit(server.url)
        assert place.hostname is not None
        assert place.port is not None
        self._place = place.hostname, place.port
        self.described: dict[str, Any] = server.ask("GET", "/api/openapi.json")[1]

    def connect(self) -> http.client.HTTPConnection:
        """A new connection."""
        return http.client.HTTPConnection(*self._place, timeout=60)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answered:
        """One request; its answer has been held against the description."""
        connection = self.connect()
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, quote(path, safe="/?&=%:"), sent, {"Content-Type": "application/json", **told})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        found = {name.lower(): value for name, value in answer.getheaders()}
        if found["content-type"].startswith("text/event-stream"):
            return Answered(answer.status, found, self.read_events(content))
        read = Answered(answer.status, found, json.loads(content))
        self.check(path, method, read)
        return read

    def generate(self, prompt: str = "ping", /, **more: Any) -> Answered:
        """Asks for an answer; `headers` among `more` are headers."""
        headers = more.pop("headers", {})
        return self.ask("POST", GENERATE, {"prompt": prompt, **more}, **headers)

    def read_events(self, content: bytes) -> list[tuple[str, Any]]:
        """The events of a stream: pieces of the answer, and one last envelope."""
        found = []
        assert content.endswith(b"\n\n")
        for one in content.decode().split("\n\n")[:-1]:
            lines = [line for line in one.split("\n") if not line.startswith(":")]
            if not lines:
                continue
            assert [line.partition(": ")[0] for line in lines] == ["event", "data"]
            found.append((lines[0][7:], json.loads(lines[1][6:])))
        names = [name for name, _ in found]
        assert set(names[:-1]) <= {"token", "reasoning"}
        assert names[-1] in ("complete", "error")
        self.check(GENERATE, "POST", Answered(200 if names[-1] == "complete" else 500, {}, found[-1][1]))
        return found

    def check(self, path: str, method: str, answer: Answered) -> None:
        """Holds an answer against the description of its path; what has none there is a failure in the envelope."""
        place = path.partition("?")[0]
        if place.startswith("/api/v1/models/"):
            place = "/api/v1/models/{name}"
        operation = self.described["paths"].get(place, {}).get(method.lower(), {})
        told = operation.get("responses", {}).get(str(answer.status))
        if told is None:
            assert answer.status >= 400, (path, answer)
            schema: dict[str, Any] = {"$ref": "#/components/schemas/Failure"}
        else:
            schema = told["content"]["application/json"]["schema"]
        wrong = problems(answer.body, {**schema, "components": self.described["components"]})
        assert not wrong, (wrong, answer.body)
        if answer.headers:
            assert answer.body["metadata"]["requestId"] == answer.headers["x-request-id"]
