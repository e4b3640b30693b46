"""`corral models set|reset|delete|restore|template…`, `corral config set|history|rollback` and `corral import-config`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from corral.cli.client import Client, NoServer
from corral.cli.config import app as config_app
from corral.cli.models import START_SECONDS, Name
from corral.cli.models import app as models_app
from corral.cli.options import Data, JsonFlag, Url, server_url
from corral.cli.output import plain, print_json, table
from corral.kit.errors import StartupError

USAGE_EXIT = 2
Pairs = Annotated[list[str], typer.Argument(help="option=value …; nothing after the = takes the value away.")]
Now = Annotated[
    bool,
    typer.Option(
        "--now", help="Lets an engine that runs take it at once; the old one serves until the new one is ready."
    ),
]


@models_app.command("set")
def set_options(name: Name, pairs: Pairs, now: Now = False, url: Url = None, as_json: JsonFlag = False) -> None:
    """Sets options of a model; `corral models options` lists them."""
    from corral.models.options.values import as_wire, parse

    _save(name, as_wire(parse(_read(pairs), scope="model")), now, url, as_json)


@models_app.command("reset")
def reset_options(
    name: Name,
    options: Annotated[list[str] | None, typer.Argument(help="The options; all of them without any.")] = None,
    now: Now = False,
    url: Url = None,
    as_json: JsonFlag = False,
) -> None:
    """Takes options of a model away, so that what is set for all models counts again."""
    from corral.models.options.values import as_wire, check

    if options:
        _save(name, as_wire(check(dict.fromkeys(options), scope="model")), now, url, as_json)
        return
    own = Client(server_url(url)).must("GET", f"/api/models/{quote(name)}")["configuration"]["own"]
    _save(name, dict.fromkeys(own), now, url, as_json)


@models_app.command("options")
def list_options(
    find: Annotated[str | None, typer.Argument(help="Only options whose name, flag or help has this text.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Lists the options of engines, with their bounds and what they do."""
    from corral.models.options.catalogue import OPTIONS
    from corral.models.options.forms import option_as_dict

    wanted = (find or "").lower()
    found = [one for one in OPTIONS if wanted in f"{one.name} {one.wire} {one.flag} {one.label} {one.help}".lower()]
    if as_json:
        print_json([option_as_dict(one) for one in found])
        return
    rows = ((one.name, one.kind.value, _bounds(one.minimum, one.maximum, one.choices), one.help) for one in found)
    table(("option", "kind", "takes", "meaning"), rows)


@models_app.command("delete")
def delete_model(
    name: Name,
    file: Annotated[bool, typer.Option("--file", help="Moves its file to the trash as well.")] = False,
    url: Url = None,
    as_json: JsonFlag = False,
) -> None:
    """Takes away all that is set for a model; `corral models restore` brings it back within a week."""
    query = "?file=true" if file else ""
    gone = Client(server_url(url)).must("DELETE", f"/api/models/{quote(name)}{query}", seconds=START_SECONDS)
    _tell(gone, as_json, f"{name}: {'file and ' if file else ''}options removed. Undo: corral models restore {name}")


@models_app.command("restore")
def restore_model(name: Name, url: Url = None, as_json: JsonFlag = False) -> None:
    """Brings back what `corral models delete` took away."""
    model = Client(server_url(url)).must("POST", f"/api/models/{quote(name)}/restore", {})
    _tell(model, as_json, f"{name}: restored.")


@models_app.command("templates")
def list_templates(url: Url = None, as_json: JsonFlag = False) -> None:
    """Lists the templates and what they set."""
    listing = Client(server_url(url)).must("GET", "/api/model-templates")
    if as_json:
        print_json(listing)
        return
    models: dict[str, list[str]] = {}
    for model, template in listing["assigned"].items():
        models.setdefault(template, []).append(model)
    rows = (
        (one["name"], one["problem"] or _shown(one["values"]), ", ".join(models.get(one["name"], ())))
        for one in listing["templates"]
    )
    table(("template", "sets", "models"), rows)


@models_app.command("save-template")
def save_template(
    template: Annotated[str, typer.Argument(help="The template's name.")],
    name: Name,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    url: Url = None,
    as_json: JsonFlag = False,
) -> None:
    """Keeps all that is set for a model as a template."""
    body = {"name": template, "model": name, "description": description}
    made = Client(server_url(url)).must("POST", "/api/model-templates", body)
    _tell(made, as_json, f"{template}: {_shown(made['values']) or 'sets nothing'}")


@models_app.command("apply-template")
def apply_template(
    template: Annotated[str, typer.Argument(help="The template's name.")],
    names: Annotated[list[str], typer.Argument(help="The models that get it.")],
    now: Now = False,
    url: Url = None,
    as_json: JsonFlag = False,
) -> None:
    """Puts a template on models, over what they have."""
    body = {"models": names, "apply": "now" if now else "next"}
    path = f"/api/model-templates/{quote(template)}/apply"
    done = Client(server_url(url)).must("POST", path, body, seconds=START_SECONDS)
    if as_json:
        print_json(done)
    else:
        for one in done["results"]:
            sys.stdout.write(f"{plain(one['name'])}: {'done' if one['ok'] else plain(one['error'])}\n")
    if not all(one["ok"] for one in done["results"]):
        raise typer.Exit(1)


@config_app.command("set")
def set_settings(
    pairs: Annotated[
        list[str], typer.Argument(help="setting=value or option=value …; nothing after the = takes it away.")
    ],
    url: Url = None,
    data: Data = None,
    as_json: JsonFlag = False,
) -> None:
    """Sets settings of the program, and options for all models. Settings can be set without a running server too."""
    from corral.models.options.values import as_wire, parse
    from corral.settings import Settings

    given = {name: value or None for name, value in _read(pairs).items()}
    options = {
        name: value or "" for name, value in given.items() if name not in Settings.model_fields and _is_option(name)
    }
    app = {name: value for name, value in given.items() if name not in options}
    body: dict[str, Any] = {"appConfig": app} if app else {}
    if options:
        body["serverConfig"] = as_wire(parse(options, scope="server"))
    try:
        told = Client(server_url(url, data)).must("POST", "/api/config", body)
    except NoServer:
        if url is not None or options:
            raise
        _set_in_file(app, data)
        return
    restart = ", ".join(told["restart"])
    _tell(told, as_json, "Saved." + (f" Waits for a restart of the server: {restart}" if restart else ""))


@config_app.command("history")
def show_history(url: Url = None, as_json: JsonFlag = False) -> None:
    """Shows who changed what, the newest first."""
    listing = Client(server_url(url)).must("GET", "/api/config/history?limit=100")
    if as_json:
        print_json(listing["entries"])
        return
    rows = (
        (one["id"], one["at"], one["by"], f"{one['scope']} {one['name']}".strip(), one["action"], _shown(one["after"]))
        for one in listing["entries"]
    )
    table(("id", "when", "who", "of", "what", "to"), rows)


@config_app.command("rollback")
def roll_back(
    change: Annotated[str, typer.Argument(help="The id of a change, as `corral config history` shows it.")],
    now: Now = False,
    url: Url = None,
    as_json: JsonFlag = False,
) -> None:
    """Sets what was set before a change; later changes of the same thing are taken back along with it."""
    body = {"id": change, "apply": "now" if now else "next"}
    done = Client(server_url(url)).must("POST", "/api/config/rollback", body, seconds=START_SECONDS)
    _tell(done, as_json, f"{done['scope']} {done['name']}".strip() + ": rolled back.")


def import_config(
    file: Annotated[Path, typer.Argument(help="llama-server-config.json or model-templates.json.")],
    url: Url = None,
    as_json: JsonFlag = False,
) -> None:
    """Takes over what an older dashboard kept in a JSON file; says what it left out and why."""
    try:
        document = json.loads(file.read_bytes())
    except OSError as error:
        raise StartupError(f"{file} cannot be read: {error.strerror}.", USAGE_EXIT) from None
    except ValueError:
        raise StartupError(f"{file} is not JSON.", USAGE_EXIT) from None
    taken = Client(server_url(url)).must("POST", "/api/config/import", {"document": document})
    if as_json:
        print_json(taken)
        return
    for name, value in taken["imported"].items():
        sys.stdout.write(f"{name}: {plain(json.dumps(value, ensure_ascii=False))}\n")
    for one in taken["skipped"]:
        sys.stdout.write(f"left out: {plain(one['key'])}: {plain(one['reason'])}\n")


def _save(name: str, changes: dict[str, Any], now: bool, url: str | None, as_json: bool) -> None:
    client = Client(server_url(url))
    version = client.must("GET", f"/api/models/{quote(name)}")["version"]
    body = {"version": version, "changes": changes, "apply": "now" if now else "next"}
    model = client.must("PUT", f"/api/models/{quote(name)}", body, seconds=START_SECONDS)
    waits = model["applied"] == "next" and model["configuration"]["pending"]
    text = f"{name}: {_shown(model['configuration']['own']) or 'nothing of its own'}"
    _tell(
        model,
        as_json,
        text + ("\nThe engine that runs takes it at its next start; --now does so at once." if waits else ""),
    )


def _set_in_file(changes: dict[str, Any], data: Path | None) -> None:
    from corral.settings import change_file, load_settings

    changed = change_file(load_settings({"data": data}), changes)
    sys.stdout.write(f"Saved in {changed.place}; no server runs.\n")


def _read(pairs: list[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise StartupError(f"{pair!r}: option=value is needed.", USAGE_EXIT)
        found[name.strip()] = value
    return found


def _is_option(name: str) -> bool:
    from corral.models.options.values import find

    return find(name) is not None


def _bounds(low: float | None, high: float | None, choices: tuple[str, ...]) -> str:
    if choices:
        return ", ".join(choices)
    return f"{low:g} to {high:g}" if low is not None and high is not None else ""


def _shown(values: dict[str, Any]) -> str:
    return " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in values.items())


def _tell(value: Any, as_json: bool, text: str) -> None:
    if as_json:
        print_json(value)
    else:
        sys.stdout.write(plain(text) + "\n")
