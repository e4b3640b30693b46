"""Counters that several servers share, in Redis. What happens when Redis is slow or away: see `RedisLedger`."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from corral.bus.redis_client import connect, failures
from corral.inference.limits import scripts
from corral.inference.limits.memory import MemoryLedger
from corral.inference.limits.policy import share
from corral.inference.limits.types import WINDOW, Held, Spent, Take, Taking
from corral.kit.clock import Clock
from corral.kit.tasks import Tasks
from corral.telemetry import get_logger

if TYPE_CHECKING:
    from redis.asyncio import Redis

_log = get_logger("corral.limits")
LEASE_MS = 60_000
"""How long what a dead server held stays held."""
_BEAT = 5.0
_PROBE = 1.0
_PATIENCE = 0.25
"""Seconds that a request waits for Redis, once; then it is taken to be away until it answers again."""
_UNSETTLED = 20_000
_KNOWN = 10_000
_BATCH = 200


class RedisLedger:
    """See `Ledger`.

    While Redis does not answer within `patience` seconds, this server gives out its share alone: a limit divided by the number of
    servers that were there, and of a budget that share of what is left. What was used meanwhile is told to Redis when it is back.

    Args:
        now: milliseconds in place of Redis' own time, for tests.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        prefix: str = "corral",
        patience: float = _PATIENCE,
        now: Callable[[], int] | None = None,
    ) -> None:
        self._url = url
        self._clock = clock
        self._prefix = "{" + prefix + "}:limits:"
        self._patience = patience
        self._now = now
        self._replica = secrets.token_hex(6)
        self._replicas = 1
        self._numbers = count()
        self._alone = MemoryLedger(clock)
        self._leases: dict[str, dict[str, None]] = {}
        """By owner the keys of its leases."""
        self._unsettled: deque[tuple[str, list[str], list[list[Any]]]] = deque(maxlen=_UNSETTLED)
        self._wanted = asyncio.Event()
        self._known: OrderedDict[str, int] = OrderedDict()
        self._tasks = Tasks("shared limits")
        self._redis: Redis | None = None
        self.away = False
        """Whether Redis does not answer."""

    async def start(self) -> None:
        """See `Ledger.start`. Does not wait for a Redis that is away."""
        self._redis = connect(self._url, self._patience)
        register = self._redis.register_script
        self._take, self._settle = register(scripts.TAKE), register(scripts.SETTLE)
        self._seed, self._beat = register(scripts.SEED), register(scripts.BEAT)
        await self._try_beat()
        self._tasks.start("beat", self._keep_beating())
        self._tasks.start("settle", self._keep_settling())

    async def stop(self) -> None:
        """See `Ledger.stop`."""
        await self._tasks.stop()
        if self._redis is None:
            return
        try:
            async with asyncio.timeout(4 * self._patience):
                while self._unsettled and not self.away:
                    await self._settle_some()
                await self._redis.zrem(self._prefix + "servers", self._replica)
        except failures() as error:
            _log.warning("limits_not_settled", count=len(self._unsettled), reason=str(error))
        await self._redis.aclose()

    def take_now(self, takes: Sequence[Take]) -> Taking | None:
        """See `Ledger.take_now`."""
        return None

    async def take(self, owner: str, takes: Sequence[Take]) -> Taking:
        """See `Ledger.take`."""
        if self.away or self._redis is None:
            return self._take_alone(takes)
        keys = [*(key for take in takes for key in self._keys(take.counter)), self._prefix + "servers"]
        wanted = [
            [take.measure, take.limit, take.amount, take.least, take.budget.end if take.budget else 0] for take in takes
        ]
        try:
            async with asyncio.timeout(self._patience):
                told = await self._take(keys, [self._time(), owner, WINDOW, LEASE_MS, msgspec.json.encode(wanted)])
        except failures() as error:
            self._lost(str(error) or type(error).__name__)
            self._forget(owner, takes)
            return self._take_alone(takes)
        except asyncio.CancelledError:
            self._forget(owner, takes)
            raise
        *numbers, servers = (int(number) for number in told)
        self._replicas = max(1, servers)
        return self._taking(owner, takes, numbers)

    def settle(self, owner: str, spent: Sequence[Spent]) -> None:
        """See `Ledger.settle`."""
        self._leases.pop(owner, None)
        alone = [
            Spent(local, one.tokens, one.money) for one in spent if (local := [held for held in one.held if held.local])
        ]
        if alone:
            self._alone.settle(owner, alone)
        keys: list[str] = []
        changes: list[list[Any]] = []
        for held, actual in _together(spent):
            take = held.take
            if held.local and not (take.budget is not None and actual):
                continue
            # Money that was spent while Redis was away is told to it afterwards; it held nothing for it.
            amount = 0 if held.local else held.amount
            keys += self._keys(take.counter)
            changes.append([take.measure, amount, actual, held.at, take.budget.end if take.budget else 0])
        if changes:
            keys.append(f"{self._prefix}settled/{self._replica}-{next(self._numbers)}")
            self._unsettled.append((owner if not alone else "", keys, changes))
            self._wanted.set()

    def seed(self, budget: Take, spent: int) -> None:
        """See `Ledger.seed`."""
        self._alone.seed(budget, spent)
        self._know(budget.counter, max(spent, self._known.get(budget.counter, 0)))
        if not self.away and self._redis is not None and budget.budget is not None:
            self._tasks.start("seed", self._try_seed(budget.counter, spent, budget.budget.end))

    def _taking(self, owner: str, takes: Sequence[Take], told: list[int]) -> Taking:
        if not told[0]:
            _, index, used, reset, frees = told
            take = takes[index - 1]
            return Taking((), Held(take, 0, take.limit - used, reset / 1000), frees / 1000)
        held = []
        leases: dict[str, None] = self._leases.get(owner, {})
        for take, amount, used, reset in zip(takes, told[2::3], told[3::3], told[4::3], strict=True):
            held.append(Held(take, amount, take.limit - used, reset / 1000, told[1]))
            if take.measure == "concurrent":
                leases[self._keys(take.counter)[0]] = None
            elif take.measure == "budget":
                leases[self._keys(take.counter)[1]] = None
                self._know(take.counter, used)
        if leases:
            self._leases[owner] = leases
        return Taking(tuple(held))

    def _take_alone(self, takes: Sequence[Take]) -> Taking:
        shares = []
        for take in takes:
            known = self._known.get(take.counter, 0) if take.budget is not None else 0
            if take.budget is not None:
                self._alone.seed(take, known)
            shares.append(share(take, self._replicas, known))
        taking = self._alone.take_now(shares)
        return replace(taking, held=tuple(replace(one, local=True) for one in taking.held))

    def _forget(self, owner: str, takes: Sequence[Take]) -> None:
        """Redis may have done what it did not answer to: gives back what would stay held."""
        lasting = [take for take in takes if take.measure in ("concurrent", "budget")]
        self.settle(owner, [Spent([Held(take, 0) for take in lasting], 0, 0)])

    def _know(self, counter: str, used: int) -> None:
        self._known[counter] = used
        self._known.move_to_end(counter)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    def _keys(self, counter: str) -> tuple[str, str]:
        return self._prefix + counter, self._prefix + counter + "/leases"

    def _time(self) -> int | str:
        return self._now() if self._now is not None else ""

    def _lost(self, reason: str) -> None:
        if not self.away:
            _log.warning("redis_away", reason=reason, share=f"1/{self._replicas}")
        self.away = True

    async def _keep_beating(self) -> None:
        while True:
            await asyncio.sleep(_PROBE if self.away else _BEAT)
            await self._try_beat()

    async def _try_beat(self) -> None:
        assert self._redis is not None
        leases = [(owner, key) for owner, keys in self._leases.items() for key in keys]
        keys = [self._prefix + "servers", *(key for _, key in leases)]
        arguments: list[Any] = [self._time(), self._replica, int(3 * _BEAT * 1000)]
        for owner, _ in leases:
            arguments += [owner, LEASE_MS]
        try:
            async with asyncio.timeout(self._patience * 2):
                self._replicas = max(1, int(await self._beat(keys, arguments)))
        except failures() as error:
            self._lost(str(error) or type(error).__name__)
            return
        if self.away:
            _log.info("redis_back", servers=self._replicas)
            self.away = False
            self._wanted.set()

    async def _keep_settling(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                while self._unsettled and not self.away:
                    await self._settle_some()
            except failures() as error:
                self._lost(str(error) or type(error).__name__)

    async def _settle_some(self) -> None:
        """Tells Redis of some; those that it did not answer to are told again, which changes nothing where it had done them."""
        assert self._redis is not None
        some = list(islice(self._unsettled, _BATCH))
        async with asyncio.timeout(4 * self._patience):
            pipe = self._redis.pipeline(transaction=False)
            for owner, keys, changes in some:
                await self._settle(keys, [self._time(), owner, WINDOW, msgspec.json.encode(changes)], pipe)
            told = await pipe.execute(raise_on_error=False)
        refused = next((one for one in told if isinstance(one, Exception)), None)
        if refused is not None:
            _log.warning("limits_not_settled", reason=str(refused))
        for _ in some:
            self._unsettled.popleft()

    async def _try_seed(self, counter: str, spent: int, end: int) -> None:
        try:
            async with asyncio.timeout(self._patience * 4):
                await self._seed([self._keys(counter)[0]], [self._time(), spent, end])
        except failures() as error:
            self._lost(str(error) or type(error).__name__)


def _together(spent: Sequence[Spent]) -> list[tuple[Held, int]]:
    """What was held and what was really used of it; what one owner holds of one budget in several takes as one. A request that was
    counted stays so."""
    found: list[tuple[Held, int]] = []
    budgets: dict[tuple[str, bool], int] = {}
    """Where each is in `found`."""
    for one in spent:
        for held in one.held:
            take = held.take
            if take.measure == "requests":
                continue
            actual = one.money if take.measure == "budget" else one.tokens
            place = budgets.get((take.counter, held.local))
            if place is not None:
                before, sum_ = found[place]
                found[place] = replace(before, amount=before.amount + held.amount), sum_ + actual
                continue
            if take.measure == "budget":
                budgets[take.counter, held.local] = len(found)
            found.append((held, actual))
    return found
