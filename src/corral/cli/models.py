"""`corral models …`: what there is, and starting and stopping it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from corral.cli.client import LOST, Client, NoServer, Refused
from corral.cli.options import Data, JsonFlag, Url, server_url
from corral.cli.output import human_count, human_size, plain, print_json, table
from corral.settings import Settings, load_settings

app = typer.Typer(name="models", help="Local models and their engines.", no_args_is_help=True)
START_SECONDS = 900.0
PROGRESS_SECONDS = 0.5
CLEAR_LINE = "\r\x1b[K"
Name = Annotated[str, typer.Argument(help="The model's name, as `corral models list` shows it.")]


@app.command("list")
def list_models(url: Url = None, data: Data = None, as_json: JsonFlag = False) -> None:
    """Lists the models and their state; without a running server, what is in the folders."""
    models = _models(url, data)
    if as_json:
        print_json(models)
        return
    if not models:
        sys.stdout.write("No models yet. Put a GGUF file into the models folder of the data folder.\n")
        return
    head = ("name", "state", "size", "parameters", "quantization", "context", "")
    table(
        head,
        ((*_row(model), plain(model.get("problem") or ("default" if model["default"] else ""))) for model in models),
    )


def _row(model: dict[str, Any]) -> tuple[str, ...]:
    context = model.get("contextLength")
    return (
        model["name"], model["state"], human_size(model.get("sizeBytes")), human_count(model.get("parameters")),
        model.get("quantization") or "", str(context) if context else "",
    )  # fmt: skip


@app.command("show")
def show_model(name: Name, url: Url = None, data: Data = None, as_json: JsonFlag = False) -> None:
    """Shows all that is known of one model; without a running server, what its files say."""
    try:
        model = Client(server_url(url, data)).must("GET", f"/api/models/{quote(name)}")
    except NoServer:
        found = {model["name"]: model for model in _models(url, data)}
        if name not in found:
            from corral.models.registry import unknown_model

            raise unknown_model(name, list(found)) from None
        model = found[name]
    _print_model(model, as_json)


@app.command("start")
def start_model(name: Name, url: Url = None, as_json: JsonFlag = False) -> None:
    """Starts a model's engine and waits until it is ready."""
    _act(name, "start", url, as_json)


@app.command("stop")
def stop_model(name: Name, url: Url = None, as_json: JsonFlag = False) -> None:
    """Stops a model's engine; running answers finish first, for a while."""
    _act(name, "stop", url, as_json)


@app.command("restart")
def restart_model(name: Name, url: Url = None, as_json: JsonFlag = False) -> None:
    """Stops a model's engine and starts it again."""
    _act(name, "restart", url, as_json)


def _act(name: str, verb: str, url: str | None, as_json: bool) -> None:
    client = Client(server_url(url))
    with _progress(client, name):
        model = client.must("POST", f"/api/models/{quote(name)}/{verb}", {}, seconds=START_SECONDS)
    if as_json:
        print_json(model)
    else:
        sys.stdout.write(f"{plain(model['name'])}: {model['state']}\n")


@contextlib.contextmanager
def _progress(client: Client, name: str) -> Iterator[None]:
    """Shows on a terminal how far an engine is, until the work inside is done."""
    if not sys.stderr.isatty():
        yield
        return
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(client, name, over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join(PROGRESS_SECONDS)
        sys.stderr.write(CLEAR_LINE)
        sys.stderr.flush()


def _watch(client: Client, name: str, over: threading.Event) -> None:
    while not over.wait(PROGRESS_SECONDS):
        with contextlib.suppress(*LOST, Refused):
            model = client.ask("GET", f"/api/models/{quote(name)}", seconds=5.0)
            done = (model.get("engine") or {}).get("progress")
            part = f" {done:.0%}" if done else ""
            if not over.is_set():
                sys.stderr.write(f"{CLEAR_LINE}{plain(name)}: {model['state']}{part} …")
                sys.stderr.flush()


def _models(url: str | None, data: Path | None) -> list[dict[str, Any]]:
    """From the server; without one and without --url, from the folders of the settings. Raises NoServer, StartupError."""
    try:
        listed: list[dict[str, Any]] = Client(server_url(url, data)).must("GET", "/api/models")["models"]
    except NoServer:
        if url is not None:
            raise
        sys.stderr.write("No server runs; this is what the folders hold.\n")
        return models_in_folders(load_settings({"data": data}).settings)
    return listed


def models_in_folders(settings: Settings) -> list[dict[str, Any]]:
    """All models in the wire form, without a server."""
    from corral.app import Corral
    from corral.telemetry import configure_logging

    hub = configure_logging("error")
    corral = Corral(settings, {}, hub)
    asyncio.run(corral.registry.rescan())
    return corral.catalogue.models()


def _print_model(model: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(model)
        return
    engine = model.get("engine") or {}
    shown: dict[str, Any] = {
        **{
            key: value
            for key, value in model.items()
            if key not in ("engine", "configuration", "chatTemplate", "removed")
        },
        "sizeBytes": human_size(model.get("sizeBytes")),
        "parameters": human_count(model.get("parameters")),
        **{f"engine {key}": value for key, value in engine.items() if key not in ("model", "name", "state", "error")},
        **{f"set {key}": value for key, value in (model.get("configuration") or {}).get("own", {}).items()},
    }
    table(("", ""), ((key, str(value)) for key, value in shown.items() if value not in (None, "")))
    error = engine.get("error")
    if error:
        sys.stdout.write(f"\n{plain(error.get('message', ''))}\n{plain(error.get('hint') or '')}\n")
