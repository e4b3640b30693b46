"""Bodies and answers of `/api/v1`, as its OpenAPI description shows them."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

DataT = TypeVar("DataT")
MAX_TEXT = 10_000
MAX_TOKENS = 4096
DEFAULT_TOKENS = 1024
MAX_STOPS = 8
_SEED = 2**63

_Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Stop = Annotated[str, Field(min_length=1, max_length=200)]
_Stops = Annotated[list[_Stop], Field(max_length=MAX_STOPS)]


def _listed(value: Any) -> Any:
    """One text is a list of one."""
    return [value] if isinstance(value, str) else value


class GenerateBody(BaseModel):
    """What is to be written, and how."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"prompt": "Name three pastures.", "max_tokens": 60, "temperature": 0.7},
                {"prompt": "Describe a horse.", "stream": True},
                {
                    "prompt": "Invent a horse.",
                    "schema": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                        "required": ["name", "age"],
                        "additionalProperties": False,
                    },
                },
            ]
        },
    )

    prompt: str = Field(min_length=1, max_length=MAX_TEXT, description="What is asked. Characters, not bytes.")
    system: str | None = Field(
        None, min_length=1, max_length=MAX_TEXT, description="Instructions that stand before the prompt."
    )
    model: str | None = Field(
        None, min_length=1, max_length=200, description="A model or route, as `GET /api/v1/models` names it; else the default one."
    )  # fmt: skip
    stream: bool = Field(False, description="Whether the answer comes as it is written, as server-sent events.")
    max_tokens: int = Field(DEFAULT_TOKENS, ge=1, le=MAX_TOKENS, description="Tokens of the answer at most.")
    temperature: float | None = Field(
        None, ge=0, le=2, allow_inf_nan=False, description="How freely it is written; 0 always takes the likeliest."
    )
    top_p: _Share | None = Field(None, description="Only of the likeliest tokens that together are so likely.")
    top_k: int | None = Field(None, ge=1, le=1000, description="Only of so many of the likeliest tokens.")
    min_p: _Share | None = Field(None, description="Only tokens that are so likely, against the likeliest one.")
    presence_penalty: _Penalty | None = Field(None, description="Against what was said already.")
    frequency_penalty: _Penalty | None = Field(None, description="Against what was said often.")
    repeat_penalty: float | None = Field(
        None, ge=0.1, le=2, allow_inf_nan=False, description="Against repetition, as engines here have it."
    )
    stop: Annotated[_Stops, BeforeValidator(_listed, json_schema_input_type=_Stop | _Stops)] | None = Field(
        None, description="Texts at which the answer ends."
    )
    seed: int | None = Field(
        None, ge=-_SEED, lt=_SEED, description="The same seed and request, the same answer, where the model can."
    )
    json_schema: dict[str, Any] | None = Field(
        None, alias="schema", description="A JSON schema that the answer has to be valid against."
    )  # fmt: skip


class Usage(BaseModel):
    """Tokens."""

    promptTokens: int  # noqa: N815 - the names on the wire
    completionTokens: int  # noqa: N815
    totalTokens: int  # noqa: N815
    cachedTokens: int  # noqa: N815


class Generated(BaseModel):
    """An answer."""

    id: str
    model: str | None = Field(description="The model that wrote it, as its provider names it.")
    provider: str | None = Field(description="Who ran it: `local`, or the name of a provider.")
    text: str
    json_: Any = Field(None, alias="json", description="What the text says, where a schema was given.")
    reasoning: str | None = Field(description="What the model thought before, where it tells.")
    finishReason: Literal["stop", "length", "content_filter", "refusal", "tool_calls", "other"]  # noqa: N815
    usage: Usage | None
    attempts: int = Field(description="How often a model was asked for it.")
    cache: str | None = Field(description="What the cache of answers had to do with it.")


class ModelEntry(BaseModel):
    """A name that can be asked for."""

    id: str
    title: str
    description: str | None
    ownedBy: str  # noqa: N815
    local: bool
    state: str
    contextLength: int | None  # noqa: N815
    parameters: int | None
    sizeBytes: int | None  # noqa: N815
    architecture: str | None
    quantization: str | None
    capabilities: list[str]
    default: bool


class ModelList(BaseModel):
    """All of them."""

    models: list[ModelEntry]


class EngineEntry(BaseModel):
    """An engine of this machine."""

    model: str
    state: str
    waiting: int


class Status(BaseModel):
    """How the server is."""

    status: Literal["ok", "unavailable"]
    reason: str | None = Field(description="Why no answer can be given.")
    startedAt: str  # noqa: N815
    uptimeSeconds: float  # noqa: N815
    defaultModel: str | None  # noqa: N815
    models: int
    engines: list[EngineEntry]


class Metadata(BaseModel):
    """What every answer tells of itself."""

    requestId: str = Field(description="As in the header `X-Request-Id`.")  # noqa: N815
    timestamp: int = Field(description="Milliseconds since 1970.")
    version: str = Field(description="The version of Corral.")


class Success(BaseModel, Generic[DataT]):
    """A good answer."""

    success: Literal[True]
    data: DataT
    metadata: Metadata


class FieldFault(BaseModel):
    """What is wrong with a field."""

    field: str
    message: str


class ErrorDetails(BaseModel):
    """More of an error; other facts stand beside these."""

    model_config = ConfigDict(extra="allow")

    field: str | None = None
    fields: list[FieldFault] | None = None
    retryAfter: float | None = Field(None, description="Seconds.")  # noqa: N815


class ErrorBody(BaseModel):
    """What went wrong."""

    code: str
    message: str
    details: ErrorDetails | None = None


class Failure(BaseModel):
    """A refusal or failure."""

    success: Literal[False]
    error: ErrorBody
    metadata: Metadata
