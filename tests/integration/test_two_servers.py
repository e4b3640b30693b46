"""Two servers behind one Redis: limits hold over both, an answer that one has kept the other gives, and without Redis each goes on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.support.gateway import KEY, provider_entry
from tests.support.providers import FakeProvider, fake_provider
from tests.support.redis_server import RedisServer
from tests.support.server import Server
from tests.support.waiting import eventually
from tests.support.wire_clients import PATHS, Call, body_of

PASS, SHARED = 6, 10
CONFIGURATION = f"""
cache_store = "redis"
cache_bytes = "1MiB"
limits = [
  {{ scope = "model", subject = "few", requests_per_minute = {PASS} }},
  {{ scope = "model", subject = "halved", requests_per_minute = {SHARED} }},
]
routes.few.candidates = ["openai/few"]
routes.halved.candidates = ["openai/halved"]
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with fake_provider("openai") as fake:
        yield fake


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider, redis_server: RedisServer
) -> Iterator[list[Server]]:
    environment = {"TEST_KEY": KEY, "CORRAL_REDIS_URL": redis_server.address()}
    with ExitStack() as stack:
        servers = []
        for name in ("one", "other"):
            server = Server(folder := tmp_path_factory.mktemp(name))
            (folder / "corral.toml").write_text(CONFIGURATION + provider_entry("openai", provider))
            server.start(**environment)
            stack.callback(server.stop)
            servers.append(server)
        yield servers


def ask(server: Server, model: str, text: str = "ping", **headers: str) -> Call:
    return Call(
        server.url, PATHS["openai_chat"], body_of("openai_chat", model, text, stream=False, temperature=0), **headers
    )


def passed(servers: list[Server], model: str, each: int) -> list[list[int]]:
    """How the requests of each server ended, all of them sent at once."""

    def one(server: Server) -> int:
        call = ask(server, model)
        call.read()
        return call.status

    with ThreadPoolExecutor(2 * each) as pool:
        ends = [[pool.submit(one, server) for _ in range(each)] for server in servers]
        return [[end.result() for end in mine] for mine in ends]


def test_a_limit_holds_over_both(both: list[Server]) -> None:
    ends = [status for mine in passed(both, "few", 8) for status in mine]
    assert sorted(ends) == [200] * PASS + [429] * (16 - PASS)
    refused = ask(both[0], "few")
    refused.read()
    assert refused.status == 429
    assert 0 < int(refused.headers["retry-after"]) <= 61


def test_one_gives_what_the_other_has_kept(both: list[Server], provider: FakeProvider) -> None:
    provider.script({"text": "kept"})
    said = []
    for server in both:
        call = ask(server, "openai/gpt", "what was kept?", x_corral_cache="use")
        said.append((call.read(), call.headers["x-corral-cache"]))
    assert [state for _, state in said] == ["miss", "hit"]
    assert said[0][0] == said[1][0]
    assert len(provider.seen()) == 1


async def test_without_redis_each_gives_its_share(both: list[Server], redis_server: RedisServer) -> None:
    """The last one: it leaves a server that has to find its Redis again."""
    # Each has to have been seen by the other, or it would take the whole for its own.
    for server in both:
        call = ask(server, "halved")
        call.read()
        assert call.status == 200
    redis_server.hang()
    try:
        ends = passed(both, "halved", SHARED)
        for mine in ends:
            assert set(mine) <= {200, 429}
            assert mine.count(200) <= SHARED // 2
        assert sum(mine.count(200) for mine in ends) > 0
    finally:
        redis_server.go_on()

    def back() -> bool:
        call = ask(both[0], "openai/gpt", "what was kept?", x_corral_cache="use")
        call.read()
        return call.headers["x-corral-cache"] == "hit"

    await eventually(back)
