"""What can be set about providers, routes and limits: the same entries in `corral.toml`, over the API and in the database.

Names are snake_case in the file and camelCase on the wire; both are read. Money is in US dollars, prices per million
tokens, times in seconds. What is None is not known, or not limited.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from corral.kit.http.outward import outward_url
from corral.kit.sayable import storable

Kind = Literal["openai", "compatible", "anthropic", "gemini", "ollama"]
Strategy = Literal["ordered", "weighted", "latency", "cost", "local_first"]
Scope = Literal["all", "key", "user", "model", "provider"]
LOCAL = "local"
"""The provider that is always there: the engines of this machine."""
MAX_CANDIDATES = 32
MAX_MODELS = 2000
MAX_HEADERS = 32

_PROVIDER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_SECRET_HEADERS = {"authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"}
_OWN_HEADERS = {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding", "te", "upgrade"}  # fmt: skip


class Entry(BaseModel):
    """Base of all entries: frozen, and without unknown fields."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, loc_by_alias=False,
        protected_namespaces=(), allow_inf_nan=False,
    )  # fmt: skip


def _provider_name(value: str) -> str:
    if not _PROVIDER_NAME.fullmatch(value):
        raise ValueError("takes 1 to 64 small letters, digits or . _ -, beginning with a letter or digit")
    return value


def _route_name(value: str) -> str:
    if not 1 <= len(value) <= 200 or not value.isprintable() or value != value.strip():
        raise ValueError("takes 1 to 200 characters, without spaces at its ends")
    return value


def _several(value: Any) -> Any:
    """A list of names may be given as one."""
    return (value,) if isinstance(value, str) else value


Text = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
Label = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
ModelId = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$")]
ProviderName = Annotated[str, AfterValidator(_provider_name)]
RouteName = Annotated[str, AfterValidator(_route_name)]
Money = Annotated[float, Field(ge=0, le=1e9)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Json = Annotated[dict[str, Any], AfterValidator(storable), Field(max_length=100)]
Variables = Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")], ...], BeforeValidator(_several), Field(max_length=32)]  # fmt: skip


class PriceEntry(Entry):
    """US dollars per million tokens."""

    input: Money | None = Field(None, description="Tokens read.")
    output: Money | None = Field(None, description="Tokens written.")
    cached_input: Money | None = Field(None, description="Tokens read from the provider's cache; `input` without it.")
    cache_write: Money | None = Field(None, description="Tokens written into the provider's cache; `input` without it.")


class AbilitiesEntry(Entry):
    """What a model can do; what is not said is what the provider's kind usually can."""

    prefill: bool | None = Field(None, description="Goes on with a last assistant message.")
    tools: bool | None = Field(None, description="Calls tools.")
    images: bool | None = Field(None, description="Reads images.")
    audio: bool | None = Field(None, description="Reads sound.")
    files: bool | None = Field(None, description="Reads documents.")
    json_schema: bool | None = Field(None, description="Keeps to a JSON schema by itself.")
    reasoning: bool | None = Field(None, description="Thinks before it answers.")


class TimeoutsEntry(Entry):
    """Times of calls to a provider, in seconds."""

    connect: Seconds | None = Field(None, description="Until the connection is there.")
    first_byte: Seconds | None = Field(None, description="Until the answer begins.")
    idle: Seconds | None = Field(None, description="Silence in the middle of an answer.")
    total: Seconds | None = Field(None, description="A whole answer.")


def _model(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class ModelEntry(Entry):
    """A model of a provider, as far as it is known; a plain text is its name."""

    name: ModelId = Field(description="As the provider calls it.")
    title: Label | None = Field(None, description="As it is shown.")
    context_length: Count | None = Field(None, description="Longest prompt and answer together, in tokens.")
    max_output: Count | None = Field(None, description="Longest answer, in tokens.")
    prices: PriceEntry | None = Field(None, description="What it costs; the provider's without it.")
    abilities: AbilitiesEntry | None = Field(None, description="What it can do; the provider's without it.")


class ProviderEntry(Entry):
    """A service that answers requests."""

    kind: Kind = Field(description="What it speaks: openai, compatible, anthropic, gemini or ollama.")
    vendor: Label | None = Field(None, description="Which service of the kind `compatible` it is, such as openrouter.")
    base_url: str | None = Field(None, description="Address; the kind's own without it.")
    description: Text = Field("", description="What it is for.")
    enabled: bool = Field(True, description="Whether it is asked at all.")
    headers: dict[str, Annotated[str, Field(max_length=4000)]] = Field(
        default_factory=dict,
        max_length=MAX_HEADERS,
        description="Further headers of every call; keys do not belong here.",
    )
    timeouts: TimeoutsEntry = Field(
        TimeoutsEntry(), description="`connect`, `first_byte`, `idle` and `total`, in seconds."
    )
    abilities: AbilitiesEntry = Field(AbilitiesEntry(), description="What its models can do, where it is not as usual.")
    prices: PriceEntry | None = Field(None, description="Of all its models that have no prices of their own.")
    models: tuple[Annotated[ModelEntry, BeforeValidator(_model)], ...] = Field(
        (), max_length=MAX_MODELS, description="Models with what is known of them."
    )
    discover: bool = Field(True, description="Whether the provider is asked which models it has.")
    connections: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="Requests under way at once, at most; 256 without it. More wait for a moment.",
    )

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return str(outward_url(value)) if value is not None else None

    @field_validator("headers")
    @classmethod
    def _plain_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not _HEADER.fullmatch(name):
                raise ValueError(f"{name[:40]!r} is not the name of a header")
            if name.lower() in _SECRET_HEADERS:
                raise ValueError(f"{name!r} holds a secret; add it as a key")
            if name.lower() in _OWN_HEADERS:
                raise ValueError(f"{name!r} is set by Corral")
            if not text.isascii() or not (text.isprintable() or not text):
                raise ValueError(f"the value of {name!r} holds what a header cannot")
        return value

    @field_validator("models")
    @classmethod
    def _each_once(cls, value: tuple[ModelEntry, ...]) -> tuple[ModelEntry, ...]:
        names = [one.name for one in value]
        if len(set(names)) < len(names):
            raise ValueError(f"has {next(name for name in names if names.count(name) > 1)[:100]!r} twice")
        return value

    @model_validator(mode="after")
    def _reachable(self) -> ProviderEntry:
        if self.kind == "compatible" and self.base_url is None and self.vendor is None:
            raise ValueError("base_url: a compatible service needs its address")
        if self.kind != "compatible" and self.vendor is not None:
            raise ValueError("vendor: is only for the kind compatible")
        return self


class FileProvider(ProviderEntry):
    """`[providers.NAME]` of corral.toml: its keys are in the environment."""

    api_key_env: Variables = Field((), description="Variables that hold its keys; several are used in turn.")


def _candidate(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    provider, slash, model = value.partition("/")
    if not slash:
        raise ValueError("needs the form provider/model, local/model for one of this server")
    return {"provider": provider, "model": model}


class CandidateEntry(Entry):
    """A model of a provider that may answer for a route; a plain text is `provider/model`."""

    provider: ProviderName = Field(description="The provider's name; `local` for the engines of this machine.")
    model: ModelId = Field(description="The model, as the provider calls it.")
    weight: float = Field(1.0, gt=0, le=1e6, description="Share of the requests, with the strategy `weighted`.")
    parameters: Json = Field(default_factory=dict, description="Parameters that it gets in place of the client's.")
    prefill: bool | None = Field(
        None, description="Whether it goes on with a last assistant message; as known without it."
    )
    price: PriceEntry | None = Field(None, description="Its prices, when they are not those of the provider.")


AnyCandidate = Annotated[CandidateEntry, BeforeValidator(_candidate)]
Bounds = tuple[float | None, float | None]


class RulesEntry(Entry):
    """What happens to a request's parameters; one that the client did not give is absent."""

    set: Json = Field(default_factory=dict, description="Always these values.")
    default: Json = Field(default_factory=dict, description="These values where the client gave none.")
    remove: tuple[Label, ...] = Field((), max_length=100, description="Never passed on.")
    clamp: dict[Label, Bounds] = Field(default_factory=dict, max_length=100, description="Kept within [low, high].")

    @field_validator("clamp")
    @classmethod
    def _low_first(cls, value: dict[str, Bounds]) -> dict[str, Bounds]:
        for name, (low, high) in value.items():
            if low is not None and high is not None and low > high:
                raise ValueError(f"{name}: the lower bound is above the upper one")
        return value


class CacheEntry(Entry):
    """Answers of a route are kept for the same question of the same caller."""

    ttl: Annotated[float, Field(gt=0, le=31_536_000)] = Field(3600.0, description="Seconds that an answer is kept.")
    always: bool = Field(
        False, description="Also those of requests that may be answered in many ways (temperature over 0)."
    )


class RouteEntry(Entry):
    """A name that clients ask for, and who answers."""

    description: Text = Field("", description="What it is for.")
    enabled: bool = Field(True, description="Whether it can be asked for.")
    strategy: Strategy = Field("ordered", description="Who is asked first.")
    candidates: tuple[AnyCandidate, ...] = Field(
        min_length=1, max_length=MAX_CANDIDATES, description="Who may answer, in order."
    )
    parameters: RulesEntry = Field(RulesEntry(), description="Rules for a request's parameters.")
    first_content_timeout: Seconds | None = Field(
        None, description="Until the first content of an answer, then the next candidate is tried; 60 for providers elsewhere without it."
    )  # fmt: skip
    total_timeout: Seconds | None = Field(None, description="A whole answer, with all attempts.")
    attempts: int = Field(4, ge=1, le=16, description="Attempts in all, continuations included.")
    spill_queue: int = Field(
        0, ge=0, le=100_000, description="With `local_first`: requests that may wait for an own engine before others are asked."
    )  # fmt: skip
    spill_after: Seconds = Field(5.0, description="With `local_first`: how long one of them may wait.")
    cache: CacheEntry | None = Field(None, description="Whether answers are kept; not without it.")
    mirror: AnyCandidate | None = Field(
        None, description="Is asked too, for comparison; its answers are only recorded."
    )
    mirror_share: float = Field(1.0, ge=0, le=1, description="Share of the requests that the mirror gets.")


class LimitEntry(Entry):
    """How much somebody may ask for. `subject` names the key, user, model or provider; `*` each of them."""

    scope: Scope = Field(description="all, key, user, model or provider.")
    subject: str = Field(
        "",
        max_length=512,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="Which one; `*` each of them; nothing for `all`.",
    )
    description: Text = Field("", description="What it is for.")
    enabled: bool = Field(True, description="Whether it counts.")
    requests_per_minute: Count | None = Field(None, description="Requests in a minute.")
    tokens_per_minute: Count | None = Field(None, description="Tokens in a minute, read and written.")
    concurrent: Count | None = Field(None, description="Requests under way at once.")
    budget_day: Money | None = Field(None, description="US dollars a day, UTC.")
    budget_month: Money | None = Field(None, description="US dollars a month, UTC.")
    unknown_price: Literal["allow", "refuse"] = Field(
        "allow", description="What a budget does with a model without prices."
    )

    @model_validator(mode="after")
    def _about_somebody(self) -> LimitEntry:
        if (self.scope == "all") != (not self.subject):
            raise ValueError("subject: is needed, and only, for a key, user, model or provider")
        return self
