"""Addresses of services elsewhere: which ones may be called at all, and what counts as the same host.

Own networks are allowed, since engines of other machines are there. Never allowed are the addresses where clouds hand
credentials to whoever asks (link-local and its siblings), in whatever form they are written.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

MAX_URL = 2000
_METADATA = frozenset(
    ipaddress.ip_address(one) for one in ("fd00:ec2::254", "100.100.100.200", "192.0.0.192", "fd20:ce::254")
)
_METADATA_NAMES = frozenset({"metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PORTS = {"http": 80, "https": 443}
_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)\.?", re.IGNORECASE)
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class OutwardUrl:
    """An address of a service: `prefix` goes before the path of every request, without a slash at its end."""

    scheme: str
    host: str
    port: int
    prefix: str

    @property
    def origin(self) -> str:
        """Scheme, host and port: what a key was entered for."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    def __str__(self) -> str:
        return self.origin + self.prefix


def outward_url(text: str) -> OutwardUrl:
    """`http(s)://host[:port][/prefix]`. Raises ValueError with the reason, without repeating the address."""
    if len(text) > MAX_URL or not text.isascii() or not text.isprintable() or any(one in text for one in ' \\"<>'):
        raise ValueError("is not an address such as https://api.example.com/v1")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("is not an address such as https://api.example.com/v1") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("must begin with http:// or https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a name or password; give a key instead")
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise ValueError("must not have a query or a fragment")
    if port == 0 or ".." in parts.path.split("/"):
        raise ValueError("is not an address such as https://api.example.com/v1")
    host = parts.hostname.rstrip(".")
    reason = forbidden_host(host)
    if reason is not None:
        raise ValueError(reason)
    return OutwardUrl(parts.scheme, host, port or _PORTS[parts.scheme], parts.path.rstrip("/"))


def forbidden_host(host: str) -> str | None:
    """Why a host of an address may not be called, None when it may; names are looked at again when they are resolved."""
    if host.lower().rstrip(".") in _METADATA_NAMES:
        return "names a cloud's metadata service"
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        # Resolvers read 0x7f.1 and 2130706433 as addresses too; nobody has to write them so.
        if not host or _NUMERIC.fullmatch(host.rpartition(".")[2]):
            return "is not a host name or an address in the usual form"
        return None
    return forbidden_address(address)


def forbidden_address(address: Ip) -> str | None:
    """Why an address may not be called, None when it may. Mapped, translated and tunnelled forms count as what they hold."""
    inner = _unwrapped(address)
    if inner in _METADATA or inner.is_link_local:
        return "is a link-local or metadata address"
    if inner.is_multicast or inner.is_unspecified or (inner.version == 4 and inner.is_reserved):
        return "is not the address of a host"
    return None


def _unwrapped(address: Ip) -> Ip:
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
