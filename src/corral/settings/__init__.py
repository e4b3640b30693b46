"""Settings: the only reader of the environment and of `corral.toml`.

Order, the later wins: defaults, `corral.toml`, environment (`CORRAL_*`, and `PORT`), flags. `load_settings` returns the
frozen settings and where each value came from.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from corral.kit import toml_edit
from corral.kit.errors import InvalidRequest, StartupError
from corral.settings.gateway import LOCAL, FileProvider, LimitEntry, ProviderName, RouteEntry, RouteName
from corral.settings.otel import OtelEntry, otel_from

CONFIG_FILE = "corral.toml"
USAGE_EXIT = 2
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

    @field_validator("memory_budget", "kv_budget", "cache_bytes", mode="before")
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


@dataclass(frozen=True, slots=True)
class Sourced:
    """Settings and, per field, where the value came from (`default`, a file, a variable, `flag`); `file` is the one that was read."""

    settings: Settings
    sources: Mapping[str, str]
    file: Path | None = None
    before_file: Mapping[str, Any] = field(default_factory=dict)
    """What the environment and the flags said, which goes before the file."""

    @classmethod
    def of(cls, settings: Settings) -> Sourced:
        """Settings that were made by hand: nothing is known of their sources."""
        return cls(settings, dict.fromkeys(Settings.model_fields, "default"))

    @property
    def place(self) -> Path:
        """The file that was read, or where one would be written."""
        return self.file or self.settings.data / CONFIG_FILE


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> Sourced:
    """Reads the settings.

    `flags` hold what the command line set (None means unset), `config` a configuration file that must exist; without
    it `DATA/corral.toml` and then `./corral.toml` are looked at. Raises StartupError (exit code 2) naming the field.
    """
    environ = os.environ if environ is None else environ
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    from_env, env_sources = _read_environment(environ)
    path = config or _find_config(given, from_env)
    from_file = _read_file(path) if path else {}
    _add_otel(environ, from_file, from_env, env_sources)
    values: dict[str, Any] = {**from_file, **from_env, **given}
    sources = dict.fromkeys(Settings.model_fields, "default")
    sources.update({name: str(path) for name in from_file})
    sources.update(env_sources)
    sources.update(dict.fromkeys(given, "flag"))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise StartupError(_explain(error, sources), USAGE_EXIT) from None
    return Sourced(settings, sources, path, {**from_env, **given})


def change_file(sourced: Sourced, changes: Mapping[str, Any]) -> Sourced:
    """Writes `changes` into the configuration file (None takes a setting out); the settings of the next start.

    The file is replaced as a whole or not at all. Raises InvalidRequest with a reason for each setting that is refused.
    """
    refused = {name: reason for name in changes if (reason := _unchangeable(name, sourced))}
    path = sourced.place
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    values: dict[str, Any] = {**tomllib.loads(text), **changes}
    values = {name: value for name, value in values.items() if value is not None}
    try:
        settings = Settings.model_validate({**values, **sourced.before_file})
        # Written as what it was understood as: 8 for "8", and a list for names with commas between them.
        meant = settings.model_dump(mode="json")
        typed = {name: None if value is None else meant.get(name) for name, value in changes.items()}
        text = toml_edit.change(text, {} if refused else typed)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            refused.setdefault(str(problem["loc"][0]) if problem["loc"] else "settings", problem["msg"])
    except ValueError as error:
        raise InvalidRequest(f"{path} cannot be changed: {error}.") from None
    if refused:
        name, reason = next(iter(refused.items()))
        raise InvalidRequest(f"{name}: {reason}.", param=name, details={"fields": refused})
    _replace(path, text)
    sources = {
        name: source if name in sourced.before_file else str(path) if name in values else "default"
        for name, source in sourced.sources.items()
    }
    return Sourced(settings, sources, path, sourced.before_file)


def _unchangeable(name: str, sourced: Sourced) -> str | None:
    if name not in Settings.model_fields:
        return _unknown(name, Settings.model_fields).rstrip(".")
    if name in FIXED:
        return FIXED[name]
    if name in sourced.before_file:
        return f"is set by {sourced.sources[name]}, which goes before the file; take it away there first"
    return None


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}.half")
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    try:
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise


def _find_config(given: Mapping[str, Any], from_env: Mapping[str, Any]) -> Path | None:
    data = Path(given.get("data") or from_env.get("data") or "data")
    for candidate in (data / CONFIG_FILE, Path(CONFIG_FILE)):
        if candidate.is_file():
            return candidate
    return None


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except OSError as error:
        raise StartupError(f"{path} cannot be read: {error.strerror}.", USAGE_EXIT) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StartupError(f"{path} is not valid TOML: {error}.", USAGE_EXIT) from None
    for name in values:
        if name not in Settings.model_fields:
            raise StartupError(f"{path}: {_unknown(name, Settings.model_fields)}", USAGE_EXIT)
    return values


def _read_environment(environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    if environ.get("PORT"):
        values["port"], sources["port"] = environ["PORT"], "PORT"
    simple = {f"CORRAL_{name.upper()}": name for name in Settings.model_fields if name not in TABLES}
    for key, value in environ.items():
        if not key.startswith("CORRAL_"):
            continue
        if key not in simple:
            raise StartupError(f"Environment: {_unknown(key, simple)}", USAGE_EXIT)
        if value != "":
            values[simple[key]], sources[simple[key]] = value, key
    return values, sources


def _add_otel(
    environ: Mapping[str, str], from_file: Mapping[str, Any], values: dict[str, Any], sources: dict[str, str]
) -> None:
    """Adds what OpenTelemetry's own variables say, key by key over what the file says."""
    given = from_file.get("otel", {})
    if isinstance(given, dict):
        table, source, problems = otel_from(environ, given)
        if source:
            values["otel"], sources["otel"] = table, source
        for problem in problems:
            logging.getLogger("corral.settings").warning(problem)


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    hint = f" Did you mean '{close[0]}'?" if close else " `corral config show` lists the settings."
    return f"unknown setting '{name}'.{hint}"


def _explain(error: ValidationError, sources: Mapping[str, str]) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        where = [str(part) for part in problem["loc"]]
        if problem["type"] == "extra_forbidden":
            lines.append(f"{'.'.join(where)}: {_unknown(where[-1], _fields_at(where))}")
            continue
        source = sources.get(where[0], "default") if where else "default"
        lines.append(f"{'.'.join(where) or 'settings'} (from {source}): {problem['msg']}")
    return "Settings: " + "; ".join(lines)


def _fields_at(where: list[str]) -> Mapping[str, Any]:
    """The fields that there are where an unknown one was given; none inside the tables of a provider or a route."""
    known: dict[str, type[BaseModel]] = {
        "engines": AttachedEngine, "providers": FileProvider, "routes": RouteEntry, "limits": LimitEntry
    }  # fmt: skip
    if len(where) == 1:
        return Settings.model_fields
    if where[0] == "otel":
        return OtelEntry.model_fields
    return known[where[0]].model_fields if where[0] in known and len(where) == 3 else {}


def environment() -> dict[str, str]:
    """The variables of this process, for those that pass some of them on to engines."""
    return dict(os.environ)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    return host in {"localhost", "::1"} or host.startswith("127.")


def describe(sourced: Sourced) -> list[dict[str, Any]]:
    """One entry a setting: name, value as JSON, source and help; secrets are masked."""
    shown = sourced.settings.model_dump(mode="json")
    rows = []
    for name, known in Settings.model_fields.items():
        value = shown[name]
        if name in SECRET and value:
            value = "***"
        if name == "otel":
            value = {**value, "headers": dict.fromkeys(value["headers"], "***")}
        if name == "engines":
            value = {key: {**entry, "api_key": "***" if entry.get("api_key") else None} for key, entry in value.items()}
        rows.append({"name": name, "value": value, "source": sourced.sources[name], "help": known.description or ""})
    return rows


def python_problem() -> str | None:
    """What is wrong with this Python, or None."""
    return None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed."
