"""Which endpoint serves which method and path: for the bare surfaces, with the permission checked on the matched route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import msgspec

from corral.accounts.service import Accounts
from corral.accounts.types import Permission, Principal
from corral.kit.errors import MethodNotAllowed, NotFound
from corral.surfaces.asgi import Peer, Receive, Scope, Send, peer_of, respond


class Told(Mapping[str, str]):
    """Headers as text, of which few are ever looked at: one becomes text when it is asked for. Names are in lower case; of several of one
    name the last counts."""

    __slots__ = ("_known",)

    def __init__(self, known: Mapping[bytes, bytes]) -> None:
        self._known = known

    def __getitem__(self, name: str) -> str:
        """The value of one; KeyError."""
        return self._known[name.encode()].decode("latin-1")

    def get(self, name: str, default: Any = None) -> Any:
        """The value of one."""
        found = self._known.get(name.encode())
        return default if found is None else found.decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return iter([name.decode("latin-1") for name in self._known])

    def __len__(self) -> int:
        return len(self._known)


class Visitor(msgspec.Struct, frozen=True):
    """Who is calling, the headers of the request (names in lower case), what stood in the place of `{}` in the path, and who tells
    of the client's leave."""

    principal: Principal
    headers: Mapping[str, str]
    rest: str = ""
    peer: Peer | None = None


Endpoint = Callable[[Scope, Receive, Send, Visitor], Awaitable[None]]
_Entry = tuple[Permission, Endpoint]


class RouteTable:
    """An ASGI application of routes. Every route names its permission, or it cannot be made.

    A path may hold one `{}`, which stands for any text that is not empty; whole paths go before those.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._whole: dict[str, dict[str, _Entry]] = {}
        self._open: dict[tuple[str, str], dict[str, _Entry]] = {}

    def add(self, method: str, path: str, permission: Permission, endpoint: Endpoint) -> None:
        """Adds a route. Raises TypeError without a permission."""
        if not isinstance(permission, Permission):
            raise TypeError(f"{method} {path} needs a Permission")
        start, hole, end = path.partition("{}")
        methods = self._open.setdefault((start, end), {}) if hole else self._whole.setdefault(path, {})
        methods[method] = permission, endpoint

    def routes(self) -> list[tuple[str, str, Permission]]:
        """Method, path and permission of every route; `{name}` for what a path leaves open."""
        whole = [(method, path, entry[0]) for path, methods in self._whole.items() for method, entry in methods.items()]
        half = [
            (method, f"{start}{{name}}{end}", entry[0])
            for (start, end), methods in self._open.items()
            for method, entry in methods.items()
        ]
        return whole + half

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """One request: what is to be awaited. Raises CorralError for the edge to render."""
        path = scope["path"]
        methods, rest = self._whole.get(path), ""
        if methods is None:
            methods, rest = self._find(path)
        found = methods.get(scope["method"])
        if found is None:
            raise MethodNotAllowed(f"{path[:200]} takes {' and '.join(methods)}.")
        permission, endpoint = found
        peer = peer_of(scope)
        headers = Told(peer.known if peer is not None else dict(scope["headers"]))
        principal = self._accounts.authenticate(headers)
        principal.require(permission)
        return endpoint(scope, receive, send, Visitor(principal, headers, rest, peer))

    def _find(self, path: str) -> tuple[dict[str, _Entry], str]:
        for (start, end), methods in self._open.items():
            if len(path) > len(start) + len(end) and path.startswith(start) and path.endswith(end):
                return methods, path[len(start) : len(path) - len(end)]
        raise NotFound(f"There is nothing at {path[:200]}.")


async def send_json(send: Send, value: Any) -> None:
    """A whole answer of JSON."""
    await respond(send, 200, [(b"content-type", b"application/json")], msgspec.json.encode(value))
