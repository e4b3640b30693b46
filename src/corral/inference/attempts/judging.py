"""What a failure means: for the next candidate, for the same one, for its breaker. Pure. The table is in docs/rooms/inference.md."""

from __future__ import annotations

from typing import Literal

from corral.inference.attempts.asking import Unsayable
from corral.inference.continuing import Unfit
from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    Forbidden,
    InvalidRequest,
    ModelNotFound,
    OutputInvalid,
    ProviderRefused,
    QuotaExhausted,
    ShuttingDown,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)


class Spilled(TooManyRequests):
    """An own engine has no slot soon enough: somebody else is asked first."""


Verdict = Literal["failure", "rest", "nothing"]


def goes_on(error: CorralError) -> bool:
    """Whether another candidate may do what this one could not."""
    if isinstance(error, ContextExceeded | Unsayable):
        return True
    return not isinstance(error, InvalidRequest | Unauthorized | Forbidden | ShuttingDown)


def again(error: CorralError) -> bool:
    """Whether the same candidate may do it a moment later."""
    return error.retryable and goes_on(error) and not isinstance(error, ModelNotFound)


def of_key(error: CorralError) -> bool:
    """Whether another key of the same provider may help."""
    return isinstance(error, ProviderRefused | QuotaExhausted) or is_busy(error)


def is_busy(error: CorralError) -> bool:
    """Whether the provider asked to be left alone for a while."""
    return isinstance(error, TooManyRequests | Unavailable)


def verdict(error: CorralError, *, local: bool) -> Verdict:
    """What it says about the candidate."""
    if isinstance(error, Unfit | OutputInvalid | InvalidRequest | Unauthorized | Forbidden | ShuttingDown):
        return "nothing"
    if is_busy(error):
        # A queue of ours that is full says nothing: it is looked at anew each time.
        return "nothing" if local else "rest"
    return "failure"
