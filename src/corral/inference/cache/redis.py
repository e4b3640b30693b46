"""Answers in Redis: several servers share them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from corral.bus.redis_client import connect, failures
from corral.inference.cache.types import Kept
from corral.kit.clock import Clock
from corral.telemetry import get_logger

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")
_log = get_logger("corral.cache")
_PATIENCE = 0.25
_REST = 5.0

_PUT = """
-- KEYS: the answer, the order of use, the sizes, the total. ARGV: the answer, its size, its life in ms, now, the most, its name, prefix.
local before = tonumber(redis.call('HGET', KEYS[3], ARGV[6]) or '0')
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
redis.call('HSET', KEYS[3], ARGV[6], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[6])
local total = redis.call('INCRBY', KEYS[4], tonumber(ARGV[2]) - before)
while total > tonumber(ARGV[5]) do
  local oldest = redis.call('ZPOPMIN', KEYS[2])
  if #oldest == 0 then break end
  local size = tonumber(redis.call('HGET', KEYS[3], oldest[1]) or '0')
  redis.call('HDEL', KEYS[3], oldest[1])
  redis.call('DEL', ARGV[7] .. oldest[1])
  total = redis.call('DECRBY', KEYS[4], size)
end
return total
"""
_GET = """
local found = redis.call('GET', KEYS[1])
if found then redis.call('ZADD', KEYS[2], 'XX', ARGV[1], ARGV[2]) end
return found
"""
_CLEAR = """
local cursor = '0'
repeat
  local found = redis.call('ZSCAN', KEYS[2], cursor, 'COUNT', 1000)
  cursor = found[1]
  for i = 1, #found[2], 2 do
    local name = found[2][i]
    if ARGV[1] == '' or string.sub(name, 1, #ARGV[1]) == ARGV[1] then
      redis.call('DECRBY', KEYS[4], redis.call('HGET', KEYS[3], name) or '0')
      redis.call('HDEL', KEYS[3], name)
      redis.call('ZREM', KEYS[2], name)
      redis.call('DEL', ARGV[2] .. name)
    end
  end
until cursor == '0'
return 1
"""


class RedisAnswers:
    """See `AnswerStore`. The order of use, the sizes and their sum are kept beside the answers, so the bound holds without a
    setting of Redis itself."""

    def __init__(
        self, url: str, clock: Clock, max_bytes: int, *, prefix: str = "corral", patience: float = _PATIENCE
    ) -> None:
        self._url = url
        self._clock = clock
        self._max = max_bytes
        self._prefix = "{" + prefix + "}:answers:"
        self._patience = patience
        self._away_until = -1.0
        self._redis: Redis | None = None

    async def start(self) -> None:
        """See `AnswerStore.start`."""
        self._redis = connect(self._url, self._patience)
        register = self._redis.register_script
        self._put, self._get, self._clear = register(_PUT), register(_GET), register(_CLEAR)

    async def stop(self) -> None:
        """See `AnswerStore.stop`."""
        if self._redis is not None:
            await self._redis.aclose()

    async def get(self, tenant: str, key: str) -> Kept | None:
        """See `AnswerStore.get`."""
        name = _name(tenant, key)
        if self._resting():
            return None
        data = await self._tried(self._get(self._keys(name)[:2], [self._clock.now().timestamp(), name]))
        if data is None:
            return None
        try:
            kept = msgspec.msgpack.decode(data, type=Kept)
        except msgspec.DecodeError:
            return None
        return kept if kept.expires > self._now() else None

    async def put(self, tenant: str, key: str, kept: Kept) -> None:
        """See `AnswerStore.put`."""
        life = kept.expires - self._now()
        if self._resting() or kept.size > self._max or life <= 0:
            return
        name = _name(tenant, key)
        values: list[Any] = [msgspec.msgpack.encode(kept), kept.size, life, self._clock.now().timestamp(), self._max]
        await self._tried(
            self._put(self._keys(name), [*values, name, self._prefix + "of:"]), patience=self._patience * 8
        )

    async def clear(self, tenant: str | None = None) -> None:
        """See `AnswerStore.clear`."""
        whose = "" if tenant is None else _name(tenant, "")
        await self._tried(self._clear(self._keys(""), [whose, self._prefix + "of:"]), patience=self._patience * 8)

    def _keys(self, name: str) -> list[str]:
        prefix = self._prefix
        return [prefix + "of:" + name, prefix + "order", prefix + "sizes", prefix + "total"]

    async def _tried(self, work: Awaitable[T], *, patience: float | None = None) -> T | None:
        try:
            async with asyncio.timeout(self._patience if patience is None else patience):
                return await work
        except failures() as error:
            if not self._resting():
                _log.warning("cache_away", reason=str(error) or type(error).__name__)
            self._away_until = self._clock.monotonic() + _REST
            return None

    def _resting(self) -> bool:
        return self._clock.monotonic() < self._away_until

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


def _name(tenant: str, key: str) -> str:
    # The length keeps one tenant's name from being the beginning of another's.
    return f"{len(tenant)}:{tenant}:{key}"
