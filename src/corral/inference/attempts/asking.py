"""What is sent to a candidate: the client's own bytes where the provider speaks their dialect, else a translation."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from corral.dialects.form import ChatRequest
from corral.dialects.registry import DIALECTS
from corral.inference.routes.rules import apply
from corral.inference.routes.types import Candidate, RouteSpec
from corral.inference.types import Ask
from corral.kit.errors import InvalidRequest
from corral.providers.types import Provider


class Unsayable(InvalidRequest):
    """A candidate cannot be asked this at all; another one may."""


class Question(msgspec.Struct, frozen=True):
    """A body in a provider's dialect. `native`: the answer is in the asker's own dialect too, so its bytes can pass."""

    dialect: str
    body: bytes
    native: bool


class Asking:
    """One request, put to any candidate. Translated once, and only when that is needed.

    `request` is given for one of our own, which has no bytes: it is always translated, and answered in events.
    """

    def __init__(self, ask: Ask, route: RouteSpec, request: ChatRequest | None = None) -> None:
        self.ask = ask
        self._route = route
        self.own = request is not None
        self._request = request

    @property
    def request(self) -> ChatRequest:
        """The request in Corral's form. Raises InvalidRequest naming the field at fault."""
        if self._request is None:
            request = DIALECTS[self.ask.dialect].read_request(self.ask.body)
            self._request = replace(request, stream=self.ask.stream)
        return self._request

    def put(self, candidate: Candidate, provider: Provider) -> Question:
        """What to send to `candidate`. Raises InvalidRequest (the client's fault) and Unsayable (this candidate's)."""
        ask = self.ask
        spoken = provider.dialects.get(ask.operation, ())
        if not spoken:
            raise Unsayable(f"{candidate.name} does not answer {ask.operation}.", param="model")
        if (
            ask.dialect in spoken
            and not self.own
            and not (ask.dialect == "anthropic" and self._changes_prefix(candidate))
        ):
            return Question(ask.dialect, self._ruled(ask.body, ask.dialect, candidate, rename=True), True)
        if ask.dialect not in DIALECTS:
            raise Unsayable(f"{candidate.name} does not answer {ask.operation} in this form.", param="model")
        return self.translate(self.request, candidate, provider)

    def translate(self, request: ChatRequest, candidate: Candidate, provider: Provider) -> Question:
        """`request` for `candidate`, in the dialect that its provider speaks best."""
        ask = self.ask
        spoken = provider.dialects.get(ask.operation, ())
        native = ask.dialect in spoken and not self.own
        name = ask.dialect if native else spoken[0]
        if candidate.local and ask.dialect == "anthropic":
            from corral.dialects.anthropic import normalise_prefix

            request = normalise_prefix(request)
        if request.stream:
            # Usage is always wanted; whether the client is told is its writer's business.
            request = replace(request, include_usage=True)
        try:
            written = provider.dialect(name).write_request(request, candidate.model)
        except InvalidRequest as error:
            raise Unsayable(error.message, param=error.param, details=error.details) from None
        return Question(name, self._ruled(written.body, name, candidate, rename=False), False)

    def _changes_prefix(self, candidate: Candidate) -> bool:
        """Whether an own engine would read the prompt anew for a line that says nothing."""
        if not candidate.local:
            return False
        from corral.dialects.anthropic import has_billing_line

        return has_billing_line(self.ask.body)

    def _ruled(self, body: bytes, dialect: str, candidate: Candidate, *, rename: bool) -> bytes:
        route = self._route
        renamed = rename and dialect != "gemini" and self.ask.model != candidate.model
        if not (renamed or candidate.parameters or route.parameters):
            return body
        return apply(body, dialect, route.parameters, candidate.parameters, candidate.model if renamed else None)
