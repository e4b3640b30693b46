"""`corral doctor`: what is wrong here, and how to mend it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from corral.cli.client import Client, Refused
from corral.cli.models import models_in_folders
from corral.cli.output import human_size, plain, print_json
from corral.kit.errors import CorralError, StartupError
from corral.settings import Settings, is_loopback, load_settings, python_problem

LOW_DISK = 1_000_000_000
ENGINE_SECONDS = 120.0
Level = Literal["ok", "note", "problem"]
_MARKS: dict[Level, str] = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `remedy` says how to mend it."""

    name: str
    level: Level
    text: str
    remedy: str = ""


def examine(data: Path | None, *, quick: bool) -> Iterator[Finding]:
    """Looks at everything, one finding after another. `quick` starts no engine."""
    problem = python_problem()
    yield Finding("python", "problem" if problem else "ok", problem or sys.version.split()[0])
    try:
        settings = load_settings({"data": data}).settings
    except StartupError as error:
        yield Finding(
            "settings", "problem", error.message, "Mend the value named there; `corral config show` lists all settings."
        )
        return
    yield Finding("settings", "ok", "valid")
    yield from machine()
    yield from data_folder(settings.data)
    yield database(settings)
    yield from secrets(settings)
    yield from parts()
    yield from server(settings)
    if not quick:
        yield engine()


def machine() -> Iterator[Finding]:
    """The hardware that engines run on, as the page `/compatibility` shows it too."""
    from corral.monitoring.hardware import read

    for check in read().checks():
        yield Finding(check.name, check.level, plain(check.text), check.remedy)


def data_folder(folder: Path) -> Iterator[Finding]:
    """The data folder: can it be written, on which disk, and who has it."""
    from corral.store.lock import file_system, is_network, lock_holder

    place = folder.resolve()
    existing = next(parent for parent in (place, *place.parents) if parent.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        yield Finding(
            "data folder",
            "problem",
            f"{existing} cannot be written.",
            "Change its permissions, or choose another folder with --data.",
        )
        return
    kind = file_system(existing)
    if is_network(kind):
        yield Finding(
            "data folder",
            "problem",
            f"{place} is on a network file system ({kind}).",
            "Choose a folder on a local disk with --data, or set database_url.",
        )
    free = shutil.disk_usage(existing).free
    low = free < LOW_DISK
    yield Finding(
        "disk",
        "problem" if low else "ok",
        f"{human_size(free)} free",
        "Make room: models and chats need it." if low else "",
    )
    holder = lock_holder(place)
    text = str(place) if existing == place else f"{place} (made at the first start)"
    yield Finding("data folder", "ok", f"{text}, in use by process {holder}" if holder else text)


def database(settings: Settings) -> Finding:
    """Whether the chats can be read, and which schema they have."""
    from sqlalchemy.exc import DBAPIError

    from corral.store.engines import Location, open_engines
    from corral.store.migrate import HEAD, current_revision, known_revisions

    location = Location(settings.data.resolve() / "corral.db", settings.database_url)
    if location.url is None and not location.file.exists():
        return Finding("database", "ok", "made at the first start")
    try:
        engines = open_engines(location)
        with engines[1].connect() as connection:
            revision = current_revision(connection)
        for one in engines:
            one.dispose()
    except StartupError as error:
        return Finding("database", "problem", error.message, "Mend database_url; `corral config show` says its source.")
    except DBAPIError as error:
        remedy = "Start PostgreSQL, or mend database_url." if location.url else "Restore the data folder from a backup."
        return Finding("database", "problem", f"cannot be read: {plain(str(error.orig))}", remedy)
    if revision is not None and revision not in known_revisions():
        text = f"written by a newer Corral (schema {revision})"
        return Finding("database", "problem", text, "Install that version, or choose another folder with --data.")
    later = "" if revision == HEAD else f", brought to {HEAD} at the next start"
    return Finding("database", "ok", f"{location.dialect}, schema {revision or 'none yet'}{later}")


def secrets(settings: Settings) -> Iterator[Finding]:
    """Whether the master key is there, its owner's alone, and opens the stored keys."""
    from corral.cli.master_key import NAME, master_key

    for level, text, remedy in master_key(settings):
        yield Finding(NAME, level, text, remedy)


def parts() -> Iterator[Finding]:
    """What has to be installed and built."""
    from corral.app import INCLUDED, PACKAGE

    web = PACKAGE / "web_dist" / "index.html"
    yield _there("web app", web, "The page is missing.")
    yield _there("included model", INCLUDED, "The included model is missing.")
    try:
        import xllamacpp  # noqa: F401
    except ImportError as error:
        yield Finding(
            "engine wheel", "problem", f"xllamacpp cannot be loaded: {error}", "Install Corral again with `make setup`."
        )
    else:
        yield Finding("engine wheel", "ok", "xllamacpp loads")


def _there(name: str, path: Path, missing: str) -> Finding:
    if path.is_file():
        return Finding(name, "ok", human_size(path.stat().st_size) if path.suffix == ".gguf" else "built")
    return Finding(name, "problem", missing, "Run `make setup`.")


def server(settings: Settings) -> Iterator[Finding]:
    """Whether a server answers, and what it says about its models; else whether the port is free."""
    if not is_loopback(settings.host):
        text = f"{settings.host} is not loopback; without accounts Corral serves this machine only."
        yield Finding(
            "address", "problem", text, "Set host to 127.0.0.1; `corral config show` says where it came from."
        )
        return
    url = f"http://{settings.host}:{settings.port}"
    client = Client(url)
    try:
        health = client.ask("GET", "/api/health", seconds=5.0)
        models = client.ask("GET", "/api/models", seconds=5.0)["models"]
    except Refused as error:
        yield Finding(
            "server",
            "problem",
            f"{url} answers, but not as Corral: {plain(error.message)}",
            "Stop the other program, or choose another port with --port.",
        )
        return
    except (OSError, ValueError, LookupError):
        yield _port(settings)
        yield from _models(models_in_folders(settings))
        return
    ready = health.get("status") == "ok"
    yield Finding(
        "server",
        "ok" if ready else "problem",
        f"{url}, version {health.get('version')}" if ready else str(health.get("reason")),
    )
    yield from _models(models)


def _models(models: list[dict[str, Any]]) -> Iterator[Finding]:
    """The models that cannot be used, or whose engine failed."""
    for model in models:
        engine_state: dict[str, Any] = model.get("engine") or {}
        failure: dict[str, Any] = engine_state.get("error") or {}
        reason = model.get("problem") or failure.get("message")
        if reason:
            hint = failure.get("hint") or "Replace or remove the file."
            yield Finding(f"model {plain(model['name'])}", "problem", plain(str(reason)), plain(str(hint)))


def _port(settings: Settings) -> Finding:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            return Finding(
                "port",
                "problem",
                f"Port {settings.port} cannot be used: {error.strerror}.",
                "Stop what uses it, or choose another with --port.",
            )
    return Finding("server", "note", f"No server runs; port {settings.port} is free.", "Start one with `corral serve`.")


def engine() -> Finding:
    """Starts a real engine on the included model and lets it answer, in a folder of its own."""
    try:
        text = asyncio.run(asyncio.wait_for(_answer(), ENGINE_SECONDS))
    except CorralError as error:
        return Finding(
            "engine",
            "problem",
            plain(error.message),
            "The last lines above are the engine's own. Install Corral again with `make setup`.",
        )
    except TimeoutError:
        return Finding(
            "engine",
            "problem",
            f"The engine gave no answer within {ENGINE_SECONDS:.0f} s.",
            "Look for another program that uses the processor.",
        )
    return Finding("engine", "ok", f"the included model answers: {plain(text)!r}")


async def _answer() -> str:
    from contextlib import aclosing

    from corral.accounts.types import Permission, Principal
    from corral.app import Corral
    from corral.dialects.form import ChatRequest, TextDelta, text_message
    from corral.telemetry import configure_logging

    hub = configure_logging("error")
    with tempfile.TemporaryDirectory(prefix="corral-doctor-") as folder:
        corral = Corral(load_settings({"data": folder}, environ={}).settings, {}, hub)
        try:
            await corral.start()
            principal = Principal("doctor", frozenset({Permission.INFERENCE}))
            request = ChatRequest("", (text_message("user", "ping"),), stream=True, max_tokens=16)
            text = ""
            async with aclosing(corral.inference.chat(principal, request)) as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        text += event.text
            return text
        finally:
            await corral.stop()


def report(findings: Iterator[Finding], *, as_json: bool, write: Callable[[str], object] = sys.stdout.write) -> int:
    """Prints the findings as they come; the exit code, 1 when something needs mending."""
    found = []
    for finding in findings:
        found.append(finding)
        if not as_json:
            write(f"{_MARKS[finding.level]}  {finding.name}: {finding.text}\n")
            if finding.remedy:
                write(f"         {finding.remedy}\n")
    broken = sum(finding.level == "problem" for finding in found)
    if as_json:
        print_json([asdict(finding) for finding in found])
    else:
        write(f"{broken} thing{'s' if broken != 1 else ''} to mend.\n" if broken else "All is well.\n")
    return 1 if broken else 0
