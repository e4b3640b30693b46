"""Settings: the only reader of the environment and of `corral.toml`.

Order, the later wins: defaults, `corral.toml`, environment (`CORRAL_*`, and `PORT`), flags. `load_settings` returns the
frozen settings and where each value came from.
"""

from __future__ import annotations

import difflib
import logging
import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from corral.kit import toml_edit
from corral.kit.errors import InvalidRequest, StartupError
from corral.settings.fields import FIXED, LIVE, SECRET, TABLES, AttachedEngine, Settings
from corral.settings.gateway import FileProvider, LimitEntry, RouteEntry
from corral.settings.otel import OtelEntry, otel_from

__all__ = [
    "CONFIG_FILE", "FIXED", "LIVE", "SECRET", "TABLES", "AttachedEngine", "Settings", "Sourced", "change_file", "describe",
    "environment", "is_loopback", "load_settings", "python_problem",
]  # fmt: skip
CONFIG_FILE = "corral.toml"
USAGE_EXIT = 2


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
