"""What a caller is told when a limit is reached."""

from __future__ import annotations

from corral.inference.limits.policy import headers
from corral.inference.limits.types import Held, Taking
from corral.inference.money import NANOS
from corral.kit.errors import BudgetExceeded, PriceUnknown, RateLimited, TooManyRequests

_WHOSE = {"all": "everybody together", "key": "this key", "user": "this user"}
_WHAT = {"requests": "requests a minute", "tokens": "tokens a minute", "concurrent": "requests at once"}


def refusal(taking: Taking) -> TooManyRequests:
    """The error for a refused request, with when to come again."""
    refused = taking.refused
    assert refused is not None
    take = refused.take
    details = {
        "limit": take.limit,
        "remaining": max(0, refused.remaining),
        "measure": take.measure,
        "scope": _scope(refused),
    }
    if take.budget is not None:
        left = max(0, refused.remaining) / NANOS
        return BudgetExceeded(
            f"The budget of {_whose(refused)} for this {take.budget.period} has ${left:.4f} left, which this request may exceed.",
            details={**details, "limit": take.limit / NANOS, "remaining": left, "period": take.budget.period},
            retry_after=taking.retry_after,
            headers={"x-should-retry": "false"},
        )
    return RateLimited(
        f"The limit of {take.limit} {_WHAT[take.measure]} for {_whose(refused)} is reached.",
        details=details,
        retry_after=max(1.0, taking.retry_after),
        headers=headers([refused]),
    )


def unknown_price(name: str) -> PriceUnknown:
    """The error for a model whose price must be known and is not."""
    return PriceUnknown(
        f"What {name!r} costs is not known, and a budget allows only what has a price. Set its prices at its provider or route.",
        headers={"x-should-retry": "false"},
    )


def _scope(refused: Held) -> str:
    return refused.take.counter.partition(":")[0]


def _whose(refused: Held) -> str:
    scope, _, rest = refused.take.counter.partition(":")
    subject = rest.rpartition("/")[0] if refused.take.budget is None else rest.rsplit("/", 2)[0]
    return _WHOSE.get(scope) or f"the {scope} {subject!r}"
