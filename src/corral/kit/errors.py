"""The one tree of errors.

Every failure that Corral reports is a subclass of `CorralError` and carries what each surface needs to tell it: the
HTTP status, a stable snake_case code and whether trying again can help. `corral.kit.rendering` turns one into the
dialect of a surface.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class CorralError(Exception):
    """Base of all reported failures.

    Args:
        message: what happened and what to do, for the person who reads it.
        details: extra facts as JSON values, or None.
        retry_after: seconds to wait before another try, or None.
        param: the name of the input field at fault, or None.
        headers: HTTP headers that tell more of it, or None.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details) if details else None
        self.retry_after = retry_after
        self.param = param
        self.headers = dict(headers) if headers else None


class InvalidRequest(CorralError):
    """The request does not say something that can be done."""

    status, code = 400, "invalid_request"


class ContextExceeded(InvalidRequest):
    """The prompt is longer than the model's context; `details` has `n_prompt_tokens` and `n_ctx`."""

    code = "context_length_exceeded"


class ContentFiltered(InvalidRequest):
    """A provider's rules do not allow what the prompt says."""

    code = "content_filtered"


class Unauthorized(CorralError):
    """Nobody known is calling."""

    status, code = 401, "unauthorized"


class Forbidden(CorralError):
    """The caller is known and may not do this."""

    status, code = 403, "forbidden"


class NotFound(CorralError):
    """No such thing for this caller."""

    status, code = 404, "not_found"


class ModelNotFound(NotFound):
    """No model or route of that name."""

    code = "model_not_found"


class MethodNotAllowed(CorralError):
    """The path exists, the method does not."""

    status, code = 405, "method_not_allowed"


class RequestTimeout(CorralError):
    """The request came too slowly."""

    status, code, retryable = 408, "request_timeout", True


class Conflict(CorralError):
    """The state changed or does not allow this now."""

    status, code = 409, "conflict"


class IdempotencyConflict(Conflict):
    """An idempotency key was used again with another payload."""

    code = "idempotency_conflict"


class ConfigRefused(Conflict):
    """An engine would not start with a configuration, so it was not taken; `details` has the fields at fault."""

    code = "config_refused"


class Gone(CorralError):
    """It was there, and is not any more."""

    status, code = 410, "gone"


class ModelVersionGone(Gone):
    """The files of a model are no longer those of the version that was asked for."""

    code = "model_version_gone"


class PreconditionFailed(CorralError):
    """What the request depends on is not so."""

    status, code = 412, "precondition_failed"


class PayloadTooLarge(CorralError):
    """The body is over the limit."""

    status, code = 413, "payload_too_large"


class UnsupportedMedia(CorralError):
    """The body is of a kind that is not read here."""

    status, code = 415, "unsupported_media_type"


class RangeNotSatisfiable(CorralError):
    """An offset beyond the end of a finished turn, or a range that a file does not have."""

    status, code = 416, "range_not_satisfiable"


class FieldsInvalid(InvalidRequest):
    """Fields of a request are missing, unknown or out of their range; `details.fields` names each with what is wrong with it."""

    status, code = 422, "fields_invalid"


class Misdirected(CorralError):
    """The Host header names another server."""

    status, code = 421, "misdirected_request"


class TooManyRequests(CorralError):
    """A queue or limit is full."""

    status, code, retryable = 429, "overloaded", True


class RateLimited(TooManyRequests):
    """A rate limit is reached, a provider's or one of ours; `retry_after` says when to come again, where that is known."""

    code = "rate_limit_exceeded"


class BudgetExceeded(TooManyRequests):
    """A budget is spent, or what it has left is less than the request may cost; `retry_after` says when the next one begins."""

    code = "budget_exceeded"


class PriceUnknown(BudgetExceeded):
    """What a model costs is not known, and a budget allows only what has a price; another try does not help."""

    code, retryable = "price_unknown", False


class InternalError(CorralError):
    """A fault of ours."""


class SecretUnreadable(CorralError):
    """A secret cannot be opened: the master key is another one, or the secret was damaged."""

    code = "secret_unreadable"


class EngineFailed(CorralError):
    """A model's engine could not start or died."""

    status, code, retryable = 502, "engine_failed", True


class UpstreamFailed(CorralError):
    """An engine or provider broke off or answered nonsense."""

    status, code, retryable = 502, "upstream_failed", True


class Unreachable(UpstreamFailed):
    """Nobody listens there: nothing was asked yet."""


class OutputInvalid(UpstreamFailed):
    """An answer is not in the form that was asked for; `details` has `problems`, `repairs` (how often it was asked again) and `text`."""

    code = "output_invalid"


class ProviderRefused(UpstreamFailed):
    """A provider does not accept our key, or what the key may do; another key or provider can help, the same one not."""

    code, retryable = "provider_refused", False


class QuotaExhausted(UpstreamFailed):
    """The account at a provider has no credit left: waiting does not help, another key or provider does."""

    code, retryable = "provider_quota_exhausted", False


class Unavailable(CorralError):
    """Cannot be served just now."""

    status, code, retryable = 503, "unavailable", True


class UpstreamOverloaded(Unavailable):
    """A provider has too much to do just now."""

    code = "upstream_overloaded"


class ShuttingDown(Unavailable):
    """The server is stopping and takes no new work."""

    code = "shutting_down"


class Interrupted(Unavailable):
    """An answer was broken off too often and is given up."""

    code = "interrupted"


class StorageUnavailable(Unavailable):
    """The database cannot be written just now; nothing was accepted."""

    code = "storage_unavailable"


class UpstreamTimeout(CorralError):
    """An engine or provider said nothing for too long."""

    status, code, retryable = 504, "upstream_timeout", True


class StorageFull(CorralError):
    """The disk is full; nothing was accepted."""

    status, code, retryable = 507, "storage_full", True


class StartupError(Exception):
    """The program cannot start; it prints `message` and leaves with `exit_code`."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


def by_code(code: str) -> type[CorralError] | None:
    """The kind of failure of that code, the most general one where several share it; None for a code that is not ours."""
    kinds: list[type[CorralError]] = [InternalError, *CorralError.__subclasses__()]
    for kind in kinds:
        if kind.code == code:
            return kind
        kinds += kind.__subclasses__()
    return None
