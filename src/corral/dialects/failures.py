"""What a provider's refusal means by its status alone, for all dialects that have no better word for it."""

from __future__ import annotations

from collections.abc import Mapping

from corral.kit.errors import (
    ContextExceeded,
    CorralError,
    InvalidRequest,
    ModelNotFound,
    PayloadTooLarge,
    ProviderRefused,
    QuotaExhausted,
    RateLimited,
    UpstreamFailed,
    UpstreamOverloaded,
    UpstreamTimeout,
)

MAX_MESSAGE = 1000
"""Characters of a provider's own words that are passed on."""


def by_status(status: int, message: str, *, retry_after: float | None = None, param: str | None = None) -> CorralError:
    """The error for an answer with `status` (400 and more)."""
    message = message[:MAX_MESSAGE] or "no reason given"
    if status in (401, 403, 407):
        # What is said here may repeat a part of the key.
        return ProviderRefused(f"The provider does not accept the key (status {status}).")
    kind, words = _MEANINGS.get(status, (None, ""))
    if kind is not None:
        return kind(f"{words}: {message}", retry_after=retry_after, param="model" if kind is ModelNotFound else None)
    if 400 <= status < 500:
        return InvalidRequest(f"The provider refused the request: {message}", param=param)
    return UpstreamFailed(f"The provider failed: {message}", retry_after=retry_after)


_MEANINGS: Mapping[int, tuple[type[CorralError], str]] = {
    402: (QuotaExhausted, "The provider gives no more credit"),
    404: (ModelNotFound, "The provider knows no such model"),
    408: (UpstreamTimeout, "The provider took too long"),
    413: (PayloadTooLarge, "The request is too large for the provider"),
    429: (RateLimited, "The provider's rate limit is reached"),
    503: (UpstreamOverloaded, "The provider is overloaded"),
    504: (UpstreamTimeout, "The provider took too long"),
    529: (UpstreamOverloaded, "The provider is overloaded"),
}


def too_long(prompt: int, context: int) -> ContextExceeded:
    """The error for a prompt of `prompt` tokens in a context of `context`."""
    return ContextExceeded(
        f"The prompt has {prompt} tokens and the model's context holds {context}. Shorten it.",
        details={"n_prompt_tokens": prompt, "n_ctx": context},
        param="messages",
    )


def seconds(headers: Mapping[str, str]) -> float | None:
    """The wait that `retry-after` tells in seconds; None when it tells none or a date."""
    try:
        found = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return found if 0 <= found < 1e6 else None
