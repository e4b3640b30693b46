"""A small pooled HTTP/1.1 client for engines on loopback and UNIX sockets. See docs/decisions/0003."""

from __future__ import annotations

from corral.kit.http.address import Address, TcpAddress, UnixAddress, parse_address
from corral.kit.http.connection import Response, Timeouts
from corral.kit.http.pool import HttpPool

__all__ = ["Address", "HttpPool", "Response", "TcpAddress", "Timeouts", "UnixAddress", "parse_address"]
