"""How the answers of a conversation are sampled: what its user has set, the rest being the model's own."""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from corral.dialects.form import ChatRequest

MAX_STOPS = 4
Share = Annotated[float, Field(ge=0, le=1)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Stop = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]


class Sampling(BaseModel):
    """A field that is left out, or null, is what the model and its route have; see docs/guides/chat.md."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    topP: Share | None = None  # noqa: N815 - the names on the wire
    topK: Annotated[int, Field(ge=0, le=1000)] | None = None  # noqa: N815
    minP: Share | None = None  # noqa: N815
    repeatPenalty: Annotated[float, Field(ge=0, le=2)] | None = None  # noqa: N815
    presencePenalty: Penalty | None = None  # noqa: N815
    frequencyPenalty: Penalty | None = None  # noqa: N815
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    maxTokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None  # noqa: N815
    stop: Annotated[list[Stop], Field(max_length=MAX_STOPS)] | None = None

    def column(self) -> str | None:
        """The column `sampling`; None when nothing is set."""
        told = self.model_dump_json(exclude_none=True)
        return None if told == "{}" else told


def sampled(request: ChatRequest, column: str | None) -> ChatRequest:
    """A request with what a column `sampling` says; the answer is no longer than either says."""
    if column is None:
        return request
    given = Sampling.model_validate_json(column)
    longest = [most for most in (request.max_tokens, given.maxTokens) if most is not None]
    return msgspec.structs.replace(
        request,
        temperature=given.temperature,
        top_p=given.topP,
        top_k=given.topK,
        min_p=given.minP,
        repeat_penalty=given.repeatPenalty,
        presence_penalty=given.presencePenalty,
        frequency_penalty=given.frequencyPenalty,
        seed=given.seed,
        max_tokens=min(longest) if longest else None,
        stop=tuple(given.stop or ()),
    )
