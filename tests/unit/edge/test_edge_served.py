"""The edge before the server that tells it more than ASGI can: what is taken there is bounded too, and every answer has the headers."""

from __future__ import annotations

from typing import Any

import pytest

from corral.surfaces.asgi import peer_of, read_body, respond
from corral.surfaces.edge.middleware import SECURITY, Edge, EdgePolicy, known_hosts
from tests.unit.kit_http.test_server import said, serving

POLICY = EdgePolicy(known_hosts("127.0.0.1", []), max_body=10)
POST = b"POST /v1/x HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"


async def at_once(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the body: in the server's own way where that goes."""
    peer = peer_of(scope)
    assert peer is not None
    body = peer.whole()
    if body is None:
        await respond(send, 200, [(b"x-way", b"read")], await read_body(receive))
    else:
        assert peer.answer(b"x-way: at once\r\n", body)


@pytest.mark.parametrize(
    ("sent", "status", "way"),
    [
        (b"content-length: 3\r\n\r\nabc", b"200 OK", b"x-way: at once"),
        (b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"200 OK", b"x-way: at once"),
        (b"content-length: 0\r\n\r\n", b"200 OK", b"x-way: at once"),
        (b"content-length: 11\r\n\r\nabcdefghijk", b"413", b"connection: close"),
        (b"transfer-encoding: chunked\r\n\r\nb\r\nabcdefghijk\r\n0\r\n\r\n", b"413", b"connection: close"),
        (b"host: localhost\r\ncontent-length: 3\r\n\r\nabc", b"421", b"connection: close"),
    ],
)
async def test_a_body_is_bounded_and_every_answer_has_the_headers_once(sent: bytes, status: bytes, way: bytes) -> None:
    async with serving(Edge(at_once, POLICY), interface="asgi3") as port:
        told = await said(port, POST + b"x-request-id: mine\r\n" + sent)
    head = told.partition(b"\r\n\r\n")[0]
    assert head.startswith(b"HTTP/1.1 " + status)
    assert way in head
    assert head.count(b"x-request-id: mine") == 1
    for name, value in SECURITY:
        assert head.count(b"%b: %b" % (name, value)) == 1
