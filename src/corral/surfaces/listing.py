"""Models as the surfaces list them: what each dialect's own form is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from corral.accounts.types import Principal

CHAT_PARAMETERS = (
    "temperature", "top_p", "max_tokens", "stop", "seed", "presence_penalty", "frequency_penalty", "response_format",
)  # fmt: skip
"""What every chat model takes."""
LOCAL_PARAMETERS = (
    *CHAT_PARAMETERS, "top_k", "min_p", "repeat_penalty", "logprobs", "top_logprobs", "logit_bias", "structured_outputs",
    "grammar",
)  # fmt: skip
"""What a llama.cpp engine takes."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One name that can be asked for. What is None or empty is not known.

    Args:
        created: seconds since 1970.
        owned_by: `corral` for a model of this machine and for a route, else the provider's name.
        capabilities: of completion, chat, tools, vision, embedding, rerank, thinking, insert.
        size: bytes of its files.
        memory: bytes that its engines use now; None when none runs.
        state: an engine's, or `available` for a model elsewhere.
    """

    id: str
    title: str
    created: int
    owned_by: str = "corral"
    description: str | None = None
    context_length: int | None = None
    trained_context: int | None = None
    parameters: int | None = None
    size: int | None = None
    architecture: str | None = None
    quantization: str | None = None
    licence: str | None = None
    state: str = "available"
    memory: int | None = None
    capabilities: tuple[str, ...] = ("completion", "chat")
    supported: tuple[str, ...] = CHAT_PARAMETERS
    local: bool = False

    @property
    def digest(self) -> str:
        """A stable mark of this version of the model; not a checksum of its file, which nobody reads for a list."""
        return hashlib.sha256(f"{self.id}\0{self.size}\0{self.created}".encode()).hexdigest()


class Models(Protocol):
    """The models that a caller may ask for (a port that `app` fills)."""

    def listed(self, principal: Principal) -> Iterable[Listed]:
        """All, in the order in which they are shown."""
        ...

    def one(self, principal: Principal, name: str) -> Listed:
        """Raises ModelNotFound."""
        ...

    def facts(self, name: str) -> dict[str, Any]:
        """More of a local model: `template`, `layers`, `heads`, `embedding_length`, `tokenizer`; empty for others."""
        ...

    async def load(self, principal: Principal, name: str) -> None:
        """Has the engine of a local model started; nothing happens for others. Raises ModelNotFound, EngineFailed."""
        ...
