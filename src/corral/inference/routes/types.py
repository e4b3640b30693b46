"""Routes as they are written down. Frozen structs: `msgspec.convert` reads one from a table or a file and names the field at fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from corral.providers.types import Prices

LOCAL = "local"
"""The name of the provider that is this server's own engines."""

Strategy = Literal["ordered", "weighted", "latency", "cost", "local_first"]
"""ordered: as written. weighted: drawn by weight, the others after it. latency: the shortest time to the first content lately.
cost: the cheapest, unknown prices last. local_first: own engines unless too many wait there, then as written."""

STRATEGIES: tuple[Strategy, ...] = ("ordered", "weighted", "latency", "cost", "local_first")
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class _Written(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    pass


class Rules(_Written, frozen=True):
    """What happens to the parameters of a request, in this order: `remove`, `default` (where the client said nothing), `set`
    (whatever it said), `clamp` (numbers into [least, most]; None is no bound).

    Names are those of `rules.PARAMETERS` for every dialect; any other one is the provider's own and stands at the top of its body.
    """

    set: Mapping[str, Any] = {}
    default: Mapping[str, Any] = {}
    remove: tuple[str, ...] = ()
    clamp: Mapping[str, tuple[float | None, float | None]] = {}

    def __bool__(self) -> bool:
        """Whether there is any rule."""
        return bool(self.set or self.default or self.remove or self.clamp)


class Candidate(_Written, frozen=True):
    """A model of a provider that can answer.

    parameters: set for this candidate, after the route's rules. prefill: whether it goes on with an answer's beginning; None is as
    the provider knows. price: instead of the provider's.
    """

    provider: Name
    model: Name
    weight: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] = 1.0
    parameters: Mapping[str, Any] = {}
    prefill: bool | None = None
    price: Prices | None = None

    def __hash__(self) -> int:
        """By its name, since parameters cannot be hashed."""
        return hash((self.provider, self.model))

    @property
    def local(self) -> bool:
        """Whether it is one of this server's own engines."""
        return self.provider == LOCAL

    @property
    def name(self) -> str:
        """As it is shown: `provider/model`."""
        return f"{self.provider}/{self.model}"


class CacheRule(_Written, frozen=True):
    """Answers are kept for `ttl` seconds; `always` also those of requests that are not deterministic, `off` none at all."""

    ttl: Annotated[float, msgspec.Meta(gt=0, le=31_536_000)] = 3600.0
    always: bool = False
    off: bool = False


class RouteSpec(_Written, frozen=True):
    """What a public model name stands for.

    parameters: rules for every candidate. first_content_timeout: seconds until the first piece of content of one attempt, waiting
    and loading included; None is 60 for a provider elsewhere and none for an own engine. total_timeout: of the whole answer.
    attempts: at most so many in all, continuations included. spill_queue: requests that may wait for an own engine before the next
    candidate is preferred, and spill_after: seconds that one may wait there (both for local_first). mirror: asked too, with
    `mirror_share` of the requests; its answer is only recorded.
    """

    name: Name
    candidates: Annotated[tuple[Candidate, ...], msgspec.Meta(min_length=1, max_length=32)]
    strategy: Strategy = "ordered"
    parameters: Rules = Rules()
    first_content_timeout: Seconds | None = None
    total_timeout: Seconds | None = None
    attempts: Annotated[int, msgspec.Meta(ge=1, le=16)] = 4
    cache: CacheRule | None = None
    spill_queue: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    spill_after: Seconds = 5.0
    mirror: Candidate | None = None
    mirror_share: Share = 1.0
    description: Annotated[str, msgspec.Meta(max_length=2000)] = ""


def single(name: str, provider: str, model: str) -> RouteSpec:
    """The route of a bare name: one candidate."""
    return RouteSpec(name, (Candidate(provider, model),))
