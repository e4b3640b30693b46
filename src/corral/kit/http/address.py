"""Where a server listens."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host and port, and the path that goes before every request's."""

    host: str
    port: int
    prefix: str = ""

    @property
    def authority(self) -> str:
        """The Host header."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """The path of a UNIX socket."""

    path: str
    prefix: str = ""

    @property
    def authority(self) -> str:
        """The Host header."""
        return "localhost"


Address = TcpAddress | UnixAddress


def parse_address(url: str) -> Address:
    """`http://host:port[/prefix]` or `unix:///path`. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme == "unix" and parts.path:
        return UnixAddress(parts.path)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("an engine's address is http://host:port or unix:///path/to/socket")
    return TcpAddress(parts.hostname, parts.port or 80, parts.path.rstrip("/"))
