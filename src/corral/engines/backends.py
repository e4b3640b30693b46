"""The kinds of engines: how each is launched and where it listens."""

from __future__ import annotations

import secrets
import shutil
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from corral.engines.process import Launch, passed_on
from corral.engines.types import EngineSpec
from corral.kit.errors import CorralError, EngineFailed
from corral.kit.http import Address, TcpAddress, UnixAddress, parse_address
from corral.models.options.launching import child_settings, embeds, projector, server_arguments

CHILD = Path(__file__).with_name("child.py")
GUARDIAN = Path(__file__).with_name("guardian.py")
TINY = 16_000_000
"""Bytes of a file up to which one thread writes about as fast as two, and leaves the other cores to others."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to bring one engine up. `launch` is None when it runs already (attached)."""

    address: Address
    headers: bytes
    native: bool
    launch: Launch | None
    folder: Path | None

    def clean(self) -> None:
        """Removes its folder."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def make_plan(spec: EngineSpec, environ: Mapping[str, str]) -> Plan:
    """A plan with a fresh key and address. Raises EngineFailed for settings that cannot work."""
    entry = spec.entry
    if entry is not None and entry.url:
        try:
            address = parse_address(entry.url)
        except ValueError as error:
            raise EngineFailed(f"engines.{spec.model}.url: {error}") from None
        return Plan(address, _bearer(entry.api_key), False, None, None)
    spec = replace(spec, options=chosen(spec))
    # Hexadecimal, since a key that begins with a dash would be taken for a flag by a command.
    key, token = secrets.token_hex(32), secrets.token_hex(16)
    # Sockets have short path limits, so their folder (0700) is not below the data folder.
    folder = Path(tempfile.mkdtemp(prefix="corral-"))
    path = folder / "engine.sock"
    environment = passed_on(dict(environ))
    try:
        if entry is None:
            launch = Launch(CHILD, token, _child(spec, path, key), environment)
            return Plan(UnixAddress(str(path)), _bearer(key), True, launch, folder)
        if entry.llama_server:
            command = _llama_server(entry.llama_server, spec, path)
            environment["LLAMA_API_KEY"] = key
            launch = Launch(GUARDIAN, token, command, environment)
            return Plan(UnixAddress(str(path)), _bearer(key), True, launch, folder)
        port = free_port()
        fill = {"model": str(spec.path or ""), "port": str(port), "socket": str(path), "key": key}
        template = entry.command or ()
        command = [part for one in template for part in _parts(one, spec, fill)]
    except CorralError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    own = any("{socket}" in part for part in template)
    where: Address = UnixAddress(str(path)) if own else TcpAddress("127.0.0.1", port)
    environment["CORRAL_ENGINE_KEY"] = key
    return Plan(where, _bearer(key), False, Launch(GUARDIAN, token, command, environment), folder)


def chosen(spec: EngineSpec) -> Mapping[str, object]:
    """The options that were set, and what Corral chooses where nothing was: one thread for a tiny model."""
    tiny = 0 < spec.size_bytes <= TINY and "threads" not in spec.options
    return {**spec.options, "threads": 1} if tiny else spec.options


def _child(spec: EngineSpec, path: Path, key: str) -> dict[str, Any]:
    """What the embedded engine is told."""
    mmproj = projector(spec.options, spec.mmproj, _folder(spec))
    return {
        "model": spec.model, "path": str(spec.path), "socket": str(path), "key": key, "context": spec.context_length,
        "slots": spec.slots, "embeddings": embeds(spec.options, spec.embeddings), "mmproj": str(mmproj) if mmproj else None,
        "settings": child_settings(spec.options, _folder(spec)),
    }  # fmt: skip


def _llama_server(binary: str, spec: EngineSpec, path: Path) -> list[str]:
    # What is not for anyone to choose comes last, since the last of two flags wins.
    command = [binary, *_model_arguments(spec), "--host", str(path), "--slots", "--metrics", "--no-webui"]
    return command if spec.options.get("jinja") is False else [*command, "--jinja"]


def _model_arguments(spec: EngineSpec) -> list[str]:
    """The flags of llama-server for a model and its options."""
    folder = _folder(spec)
    arguments = [
        "--model", str(spec.path), "--alias", spec.model, *server_arguments(spec.options, folder),
        "--ctx-size", str(spec.context_length * spec.slots), "--parallel", str(spec.slots),
    ]  # fmt: skip
    if embeds(spec.options, spec.embeddings):
        arguments.append("--embeddings")
    mmproj = projector(spec.options, spec.mmproj, folder)
    return [*arguments, "--mmproj", str(mmproj)] if mmproj else arguments


def _folder(spec: EngineSpec) -> Path:
    """Where the files are that options name without a folder."""
    return spec.path.parent if spec.path else Path()


def _parts(part: str, spec: EngineSpec, values: Mapping[str, str]) -> list[str]:
    """An argument of a command template; `{options}` alone becomes the flags of llama-server for the model."""
    return _model_arguments(spec) if part == "{options}" else [_fill(part, values)]


def _fill(part: str, values: Mapping[str, str]) -> str:
    # Each placeholder stays within its own argument, so a value can never become another flag.
    for name, value in values.items():
        part = part.replace("{" + name + "}", value)
    return part


def _bearer(key: str | None) -> bytes:
    return b"authorization: Bearer " + key.encode() + b"\r\n" if key else b""


def free_port() -> int:
    """A port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
