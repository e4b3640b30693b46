"""The way to Redis, for all that several servers share there. The library is loaded where somebody has a use for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis.asyncio import Redis


def connect(url: str, patience: float) -> Redis:
    """A client that gives up soon and tries nothing twice."""
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return Redis.from_url(
        url,
        socket_timeout=patience * 4,
        socket_connect_timeout=patience * 4,
        retry=Retry(NoBackoff(), 0),
        max_connections=64,
        health_check_interval=0,
    )


def failures() -> tuple[type[BaseException], ...]:
    """What a Redis that is away raises."""
    from redis.exceptions import RedisError

    return (RedisError, OSError, TimeoutError)
