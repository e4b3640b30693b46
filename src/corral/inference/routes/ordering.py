"""In which order a route's candidates are asked. Pure."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from corral.inference.routes.types import Candidate, RouteSpec
from corral.providers.types import Prices

EXPLORED = 0.05
"""Of the requests of a route by latency, this share goes to another candidate first, so that what is known stays true."""
ANSWER_SHARE = 0.25
"""Of a request's tokens, this share counts as answer where prices are compared."""

Latency = Callable[[Candidate], float | None]
Price = Callable[[Candidate], Prices | None]


def order(route: RouteSpec, chance: random.Random, latency: Latency, price: Price) -> Sequence[Candidate]:
    """The candidates, the first to be asked first. Every one is in it once."""
    candidates = route.candidates
    if len(candidates) == 1 or route.strategy == "ordered":
        return candidates
    if route.strategy == "weighted":
        # Efraimidis and Spirakis: each draws by its weight, without coming back.
        return sorted(candidates, key=lambda one: -math.log(1.0 - chance.random()) / one.weight)
    if route.strategy == "latency":
        return _by_latency(candidates, chance, latency)
    if route.strategy == "cost":
        return sorted(candidates, key=lambda one: cost(price(one), local=one.local))
    return sorted(candidates, key=lambda one: not one.local)


def cost(prices: Prices | None, *, local: bool) -> float:
    """A number to compare prices by; an own engine costs nothing, an unknown price is the highest."""
    if prices is None or prices.input is None or prices.output is None:
        return 0.0 if local else math.inf
    return prices.input * (1 - ANSWER_SHARE) + prices.output * ANSWER_SHARE


def _by_latency(candidates: Sequence[Candidate], chance: random.Random, latency: Latency) -> list[Candidate]:
    # Those of which nothing is known come first: that is how it becomes known.
    ordered = sorted(candidates, key=lambda one: latency(one) or 0.0)
    if chance.random() < EXPLORED:
        ordered.insert(0, ordered.pop(chance.randrange(1, len(ordered))))
    return ordered
