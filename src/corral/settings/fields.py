"""What can be set: every setting with its type, range, default and help."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from corral.settings.gateway import LOCAL, FileProvider, LimitEntry, ProviderName, RouteEntry, RouteName
from corral.settings.otel import OtelEntry

FIXED = {
    "host": "decides who can reach the server, so it is set where the server is started",
    "data": "the data folder holds the file itself; move the folder and name it where the server is started",
    "database_url": "may hold a password, so it is set in the file or the environment",
    "allowed_hosts": "keeps other sites out, so it is set in the file or the environment",
    "engines": "names programs to run, so it is set in the file",
    "redis_url": "may hold a password, so it is set in the file or the environment",
    "hub_token": "is a secret, so it is set in the file or the environment",
    "master_key": "is a secret, so it is set in the environment",
    "master_key_file": "says where a secret is, so it is set in the file or the environment",
    "providers": "are changed on their own page; those of the file are set in the file",
    "routes": "are changed on their own page; those of the file are set in the file",
    "limits": "are changed on their own page; those of the file are set in the file",
    "otel": "says who is told of every request, so it is set in the file or the environment",
    "faultpoint": "is for fault tests",
}
"""Settings that a client may not change, with the reason."""
SECRET = frozenset({"database_url", "redis_url", "hub_token", "master_key"})
"""Settings whose values are never shown."""
TABLES = frozenset({"engines", "providers", "routes", "limits", "otel"})
"""Settings that are tables of the file: they have no variable and no plain value."""
LIVE = frozenset(
    {"default_model", "models", "context_length", "slots", "idle_sleep", "idle_stop", "log_level", "log_levels"}
)
"""Settings that count at once, or from an engine's next start on; all others want a restart of the server."""


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = ("", "k", "m", "g", "t")


class AttachedEngine(BaseModel):
    """`[engines.NAME]`: an engine that is not the default one for the model called NAME (EN-7)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str | None = Field(None, description="Address of a running OpenAI-compatible server to attach to.")
    command: tuple[str, ...] | None = Field(
        None, description="Command template; {model}, {port}, {socket} and {key} are filled in."
    )
    llama_server: str | None = Field(None, description="Path of a llama-server binary to run the model with.")
    model: str | None = Field(None, description="GGUF file for llama_server and command engines.")
    upstream_model: str | None = Field(None, description="The model's name at an attached server, if another.")
    api_key: str | None = Field(None, description="Key that an attached server asks for.", repr=False)
    context_length: int | None = Field(None, ge=1)
    slots: int = Field(16, ge=1, le=4096, description="Requests the engine takes at once.")

    @model_validator(mode="after")
    def _one_kind(self) -> AttachedEngine:
        kinds = [name for name in ("url", "command", "llama_server") if getattr(self, name)]
        if len(kinds) != 1:
            raise ValueError("needs exactly one of url, command and llama_server")
        return self


Port = Annotated[int, Field(ge=0, le=65535)]
_LEVEL_RULE = re.compile(r"[^\x00-\x1f\x7f]{1,220}=(?:debug|info|warning|error)")


def _level_rule(rule: str) -> str:
    if not _LEVEL_RULE.fullmatch(rule):
        raise ValueError("each is source=level, the level one of debug, info, warning and error")
    return rule


class Settings(BaseModel):
    """Everything that can be set. Times are in seconds, sizes in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on; without accounts only loopback is allowed.")
    port: Port = Field(3000, description="Port to listen on; 0 takes a free one.")
    data: Path = Field(Path("data"), description="Folder of everything that Corral keeps.")
    models: tuple[Path, ...] = Field((), description="Folders with GGUF models, beside DATA/models.")
    database_url: str | None = Field(
        None, description="PostgreSQL address; SQLite in the data folder without it.", repr=False
    )
    allowed_hosts: tuple[str, ...] = Field((), description="Further names the Host header may carry.")
    default_model: str | None = Field(None, description="Model for new chats; the first usable one without it.")
    system_prompt: str = Field(
        "You are a helpful assistant.", max_length=20_000, description="First message of a new agent."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_levels: tuple[Annotated[str, AfterValidator(_level_rule)], ...] = Field(
        (), max_length=100, description="Least levels of single sources, as source=level."
    )
    log_json: bool = Field(False, description="Log lines on the console as JSON.")
    log_days: int = Field(14, ge=1, le=3650, description="Days that DATA/logs is kept.")
    log_max_bytes: int = Field(512 * 1024 * 1024, ge=1024**2, le=1024**4, description="Largest size of DATA/logs.")
    context_length: int = Field(4096, ge=128, le=1_048_576, description="Context per slot, capped by the model's own.")
    slots: int = Field(4, ge=1, le=64, description="Requests an engine answers at once.")
    queue: int = Field(
        256, ge=0, le=100_000, description="Requests that wait for a slot of one model; more are refused."
    )
    max_body_bytes: int = Field(20 * 1024 * 1024, ge=1024, le=1024**3, description="Largest request body.")
    max_answer_tokens: int = Field(2048, ge=1, le=131_072, description="Longest answer of a chat turn, in tokens.")
    start_stall: float = Field(
        60.0, gt=0, le=3600, description="An engine's start fails after this long without progress."
    )
    memory_budget: int | None = Field(
        None,
        ge=64 * 1024 * 1024,
        description="Memory of all engines together, in bytes or like 12GiB; without it what the machine has, less a reserve.",
    )
    idle_sleep: float = Field(
        600.0,
        ge=0,
        le=31_536_000,
        description="An idle engine frees its weights after this long and wakes by itself; 0 never.",
    )
    idle_stop: float = Field(
        3600.0, ge=0, le=31_536_000, description="An idle engine is stopped after this long; 0 never."
    )
    min_residency: float = Field(
        1.0, ge=0, le=3600, description="A loaded model stays at least this long when others need its memory."
    )
    max_wait: float = Field(
        300.0, ge=1, le=86_400, description="How long a request may wait for its model's turn; then it is refused."
    )
    kv_budget: int = Field(
        2 * 1024**3,
        ge=0,
        description="Disk for what engines have read, kept while they are stopped, in bytes or like 2GiB; 0 keeps nothing.",
    )
    device_max_bytes: int = Field(
        3 * 1024**3,
        ge=0,
        description="Largest model that browsers may download to run it themselves, in bytes or like 3GiB; 0 gives them none.",
    )
    hub_endpoint: str = Field(
        "https://huggingface.co",
        pattern=r"^https?://[^\s/]+",
        description="Address of the hub that models are downloaded from.",
    )
    hub_token: str | None = Field(
        None, description="Token for repositories of the hub that want one; no other token is ever sent.", repr=False
    )
    hub_parallel: int = Field(2, ge=1, le=8, description="Downloads that run at once.")
    redis_url: str | None = Field(
        None,
        pattern=r"^(rediss?|unix)://\S+$",
        description="Redis that servers share limits and kept answers in; both are in this server's memory without it.",
        repr=False,
    )
    cache_store: Literal["memory", "sql", "redis"] | None = Field(
        None, description="Where answers are kept: memory, sql or redis; Redis where there is one, else memory."
    )
    cache_bytes: int = Field(
        64 * 1024**2, ge=0, description="Room for kept answers, in bytes or like 64MiB; 0 keeps none."
    )
    cache_ttl: float = Field(
        3600.0,
        gt=0,
        le=31_536_000,
        description="How long an answer is kept for the same question, where no route says it.",
    )
    usage_days: int = Field(90, ge=1, le=3660, description="How many days usage is kept, request by request.")
    stop_grace: float = Field(
        10.0, ge=0, le=600, description="How long running answers may finish when the server stops."
    )
    engines: dict[str, AttachedEngine] = Field(
        default_factory=dict, description="Engines beside the default one, by model name."
    )
    master_key: str | None = Field(
        None,
        max_length=4096,
        description="Key that providers' keys are kept under; DATA/master.key without it.",
        repr=False,
    )
    master_key_file: Path | None = Field(
        None, description="File with the key that providers' keys are kept under; DATA/master.key without it."
    )
    providers: dict[ProviderName, FileProvider] = Field(
        default_factory=dict, max_length=200, description="Providers, by name."
    )
    routes: dict[RouteName, RouteEntry] = Field(default_factory=dict, max_length=1000, description="Routes, by name.")
    limits: tuple[LimitEntry, ...] = Field(
        (), max_length=1000, description="Limits of keys, users, models and providers."
    )
    otel: OtelEntry = Field(OtelEntry(), description="Where traces and metrics are sent, by OpenTelemetry's protocol; nowhere without it.")  # fmt: skip
    faultpoint: str | None = Field(None, description="Named crash point, for fault tests only.")

    @field_validator("memory_budget", "kv_budget", "cache_bytes", "device_max_bytes", mode="before")
    @classmethod
    def _bytes(cls, value: Any) -> Any:
        found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
        if found is None:
            return value
        return int(float(found.group(1)) * 1024 ** _UNITS.index(found.group(2).lower()))

    @model_validator(mode="after")
    def _redis_is_there(self) -> Settings:
        if self.cache_store == "redis" and self.redis_url is None:
            raise ValueError("cache_store: redis needs redis_url")
        return self

    @field_validator("providers")
    @classmethod
    def _not_ours(cls, value: dict[str, FileProvider]) -> dict[str, FileProvider]:
        if LOCAL in value:
            raise ValueError(f"{LOCAL!r} stands for the engines of this machine; choose another name")
        return value

    @field_validator("models", "allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part for part in value.replace(os.pathsep, ",").split(",") if part)
        return value

    @field_validator("log_levels", mode="before")
    @classmethod
    def _rules(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @property
    def log_rules(self) -> dict[str, str]:
        """The least levels of single sources, by source."""
        return {source: level for source, _, level in (rule.rpartition("=") for rule in self.log_levels)}
