"""`corral models …`: what there is, and starting and stopping it."""

from __future__ import annotations

import sys
from typing import Annotated, Any
from urllib.parse import quote

import typer

from corral.cli.client import Client
from corral.cli.options import JsonFlag, Url, server_url
from corral.cli.output import human_count, human_size, plain, print_json, table

app = typer.Typer(name="models", help="Local models and their engines.", no_args_is_help=True)
START_SECONDS = 900.0
Name = Annotated[str, typer.Argument(help="The model's name, as `corral models list` shows it.")]


@app.command("list")
def list_models(url: Url = None, as_json: JsonFlag = False) -> None:
    """Lists the models that the server knows, with their state."""
    models = Client(server_url(url)).must("GET", "/api/models")["models"]
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
def show_model(name: Name, url: Url = None, as_json: JsonFlag = False) -> None:
    """Shows all that is known of one model."""
    _print_model(Client(server_url(url)).must("GET", f"/api/models/{quote(name)}"), as_json)


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
    model = Client(server_url(url)).must("POST", f"/api/models/{quote(name)}/{verb}", {}, seconds=START_SECONDS)
    if as_json:
        print_json(model)
    else:
        sys.stdout.write(f"{plain(model['name'])}: {model['state']}\n")


def _print_model(model: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(model)
        return
    engine = model.get("engine") or {}
    shown: dict[str, Any] = {
        **{key: value for key, value in model.items() if key != "engine"},
        "sizeBytes": human_size(model.get("sizeBytes")),
        "parameters": human_count(model.get("parameters")),
        **{f"engine {key}": value for key, value in engine.items() if key not in ("model", "state", "error")},
    }
    table(("", ""), ((key, str(value)) for key, value in shown.items() if value not in (None, "")))
    error = engine.get("error")
    if error:
        sys.stdout.write(f"\n{plain(error.get('message', ''))}\n{plain(error.get('hint') or '')}\n")
