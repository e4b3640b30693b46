"""`corral providers …` and `corral routes …`: who answers, and by which names, of a running server."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any
from urllib.parse import quote

import typer

from corral.cli.client import Client, Refused
from corral.cli.options import JsonFlag, Url, server_url
from corral.cli.output import plain, print_json, table
from corral.kit.errors import StartupError

USAGE_EXIT = 2
TEST_SECONDS = 150.0
_MAX_SECRET = 8192
providers_app = typer.Typer(
    name="providers", help="Services that answer requests, and their keys.", no_args_is_help=True
)
routes_app = typer.Typer(name="routes", help="Names that clients ask for, and who answers.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The provider's name.")]
RouteName = Annotated[str, typer.Argument(help="The route's name, which clients give as the model.")]
Pairs = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="field=value, with a value as text or JSON; nothing after the = takes it away. Repeat it."
    ),
]
WithKey = Annotated[
    bool, typer.Option("--key", help="Asks for a key; without a terminal it is read from standard input.")
]


@providers_app.command("list")
def list_providers(url: Url = None, as_json: JsonFlag = False) -> None:
    """Lists the providers and how they are."""
    listing = Client(server_url(url)).must("GET", "/api/providers")
    if as_json:
        print_json(listing)
        return
    rows = (
        (
            one["name"], one["vendor"] or one["kind"], one["address"], ", ".join(_key(key) for key in one["keys"]),
            ", ".join(one["routes"]), _how(one),
        )
        for one in listing["providers"]
    )  # fmt: skip
    table(("name", "kind", "address", "keys", "routes", ""), rows)


@providers_app.command("add")
def add_provider(
    name: Name,
    kind: Annotated[
        str, typer.Option(help="openai, anthropic, gemini, ollama, compatible, or a service such as openrouter.")
    ],
    base_url: Annotated[str | None, typer.Option(help="Its address; the kind's own without it.")] = None,
    key: WithKey = False,
    pairs: Pairs = None,
    url: Url = None,
    as_json: JsonFlag = False,
) -> None:
    """Adds a provider; `--key` asks for its key, which is never shown again."""
    client = Client(server_url(url))
    known = {one["vendor"]: one for one in client.must("GET", "/api/provider-kinds")["kinds"] if one["vendor"]}
    changes: dict[str, Any] = {"kind": "compatible", "vendor": kind} if kind in known else {"kind": kind}
    if base_url is not None:
        changes["baseUrl"] = base_url
    secret = _ask_for_key() if key else None
    made = client.must("PUT", _provider(name), {"version": 0, "changes": {**changes, **_values(pairs)}})
    if secret is not None:
        made = client.must("POST", f"{_provider(name)}/keys", {"secret": secret})
    _tell(made, as_json, f"{name}: {_how(made) or 'added'}. Try it: corral providers test {name}")


@providers_app.command("set")
def set_provider(
    name: Name,
    pairs: Annotated[list[str], typer.Argument(help="field=value …")],
    url: Url = None,
    as_json: JsonFlag = False,
) -> None:
    """Changes fields of a provider; docs/reference/configuration.md names them."""
    client = Client(server_url(url))
    version = client.must("GET", _provider(name))["version"]
    made = client.must("PUT", _provider(name), {"version": version, "changes": _values(pairs)})
    _tell(made, as_json, f"{name}: {_how(made) or 'saved'}")


@providers_app.command("key")
def add_key(
    name: Name,
    label: Annotated[str | None, typer.Option(help="What the key is called.")] = None,
    remove: Annotated[str | None, typer.Option(help="Removes the key with this label instead.")] = None,
    url: Url = None,
    as_json: JsonFlag = False,
) -> None:
    """Adds a key to a provider, asked for or read from standard input; several are used in turn."""
    client = Client(server_url(url))
    if remove is not None:
        keys = client.must("GET", _provider(name))["keys"]
        found = next((one["id"] for one in keys if one["label"] == remove), None)
        if found is None:
            raise StartupError(
                f"{name} has no key {remove!r}; it has {', '.join(one['label'] for one in keys) or 'none'}.", 1
            )
        made = client.must("DELETE", f"{_provider(name)}/keys/{found}")
    else:
        made = client.must("POST", f"{_provider(name)}/keys", {"secret": _ask_for_key(), "label": label})
    _tell(made, as_json, f"{name}: {', '.join(_key(key) for key in made['keys']) or 'no keys'}")


@providers_app.command("test")
def test_provider(name: Name, url: Url = None, as_json: JsonFlag = False) -> None:
    """Tries a provider with each of its keys; exit code 1 when one of them fails."""
    told = Client(server_url(url)).must("POST", f"{_provider(name)}/test", {}, seconds=TEST_SECONDS)
    if as_json:
        print_json(told)
    else:
        for one in told["keys"]:
            sys.stdout.write(f"{plain(one['label'] or name)}: {'works' if one['ok'] else plain(one['message'])}\n")
        if told["ok"] and told["models"] is not None:
            sys.stdout.write(f"It has {told['models']} models.\n")
    if not told["ok"]:
        raise typer.Exit(1)


@providers_app.command("models")
def list_models(name: Name, url: Url = None, as_json: JsonFlag = False) -> None:
    """Lists the models of a provider, as it tells them now."""
    told = Client(server_url(url)).must("POST", f"{_provider(name)}/models", {"refresh": True}, seconds=TEST_SECONDS)
    if as_json:
        print_json(told)
        return
    if told["problem"]:
        sys.stderr.write(f"{plain(told['problem'])}\n")
    rows = ((f"{name}/{one['name']}", str(one["contextLength"] or ""), _price(one["prices"])) for one in told["models"])
    table(("model", "context", "price per million tokens"), rows)


@providers_app.command("remove")
def remove_provider(name: Name, url: Url = None, as_json: JsonFlag = False) -> None:
    """Removes a provider with its keys; `corral providers restore` brings it back within a week."""
    gone = Client(server_url(url)).must("DELETE", _provider(name))
    used = f" Routes that name it: {', '.join(gone['routes'])}." if gone["routes"] else ""
    _tell(gone, as_json, f"{name}: removed. Undo: corral providers restore {name}.{used}")


@providers_app.command("restore")
def restore_provider(name: Name, url: Url = None, as_json: JsonFlag = False) -> None:
    """Brings back what `corral providers remove` took away."""
    made = Client(server_url(url)).must("POST", f"{_provider(name)}/restore", {})
    _tell(made, as_json, f"{name}: restored.")


@routes_app.command("list")
def list_routes(url: Url = None, as_json: JsonFlag = False) -> None:
    """Lists the routes."""
    listing = Client(server_url(url)).must("GET", "/api/routes")
    if as_json:
        print_json(listing)
        return
    rows = (
        (one["name"], one["strategy"], ", ".join(map(_candidate, one["candidates"])), _state(one))
        for one in listing["routes"]
    )
    table(("name", "strategy", "candidates", ""), rows)


@routes_app.command("show")
def show_route(name: RouteName, url: Url = None, as_json: JsonFlag = False) -> None:
    """Shows a route and how its candidates are doing."""
    client = Client(server_url(url))
    route = client.must("GET", _route(name))
    states = client.must("GET", "/api/route-states")["routes"]
    state: list[dict[str, Any]] = next((one["candidates"] for one in states if one["name"] == name), [])
    if as_json:
        print_json({**route, "state": state})
        return
    doing = {(one["provider"], one["model"]): one for one in state}
    problems = {one["candidate"]: one["message"] for one in route["problems"]}
    sys.stdout.write(
        f"{plain(name)}: {route['strategy']}"
        + (f", {plain(route['description'])}" if route["description"] else "")
        + "\n"
    )
    rows = (
        (_candidate(one), _doing(doing.get((one["provider"], one["model"]))), problems.get(place, ""))
        for place, one in enumerate(route["candidates"])
    )
    table(("candidate", "state", "problem"), rows)


@routes_app.command("set")
def set_route(
    name: RouteName,
    candidates: Annotated[
        list[str] | None, typer.Argument(help="provider/model …, in order; local/MODEL for this machine.")
    ] = None,
    strategy: Annotated[str | None, typer.Option(help="ordered, weighted, latency, cost or local_first.")] = None,
    pairs: Pairs = None,
    url: Url = None,
    as_json: JsonFlag = False,
) -> None:
    """Makes a route, or changes what is named of it."""
    client = Client(server_url(url))
    changes: dict[str, Any] = _values(pairs)
    if candidates:
        changes["candidates"] = candidates
    if strategy is not None:
        changes["strategy"] = strategy
    try:
        version = client.must("GET", _route(name))["version"]
    except Refused as error:
        if error.answered != 404:
            raise
        version = 0
    made = client.must("PUT", _route(name), {"version": version, "changes": changes})
    text = f"{made['name']}: {made['strategy']}, {', '.join(map(_candidate, made['candidates']))}"
    _tell(made, as_json, text + "".join(f"\n{one['message']}" for one in made["problems"]))


@routes_app.command("try")
def try_route(
    name: RouteName,
    message: Annotated[str, typer.Argument(help="What is asked.")] = "Say hello.",
    url: Url = None,
    as_json: JsonFlag = False,
) -> None:
    """Asks a route something, and shows who answered; exit code 1 when nobody did."""
    told = Client(server_url(url)).must("POST", f"{_route(name)}/try", {"message": message}, seconds=TEST_SECONDS)
    if as_json:
        print_json(told)
    else:
        for one in told["attempts"]:
            failed = f": {one['error']} {one['message']}" if one["error"] else ""
            sys.stdout.write(plain(f"{one['provider']}/{one['model']} {one['outcome']}{failed}") + "\n")
        sys.stdout.write(plain(told["text"] if told["ok"] else told["error"]["message"]) + "\n")
    if not told["ok"]:
        raise typer.Exit(1)


@routes_app.command("remove")
def remove_route(name: RouteName, url: Url = None, as_json: JsonFlag = False) -> None:
    """Removes a route; `corral routes restore` brings it back within a week."""
    gone = Client(server_url(url)).must("DELETE", _route(name))
    _tell(gone, as_json, f"{name}: removed. Undo: corral routes restore {name}")


@routes_app.command("restore")
def restore_route(name: RouteName, url: Url = None, as_json: JsonFlag = False) -> None:
    """Brings back what `corral routes remove` took away."""
    made = Client(server_url(url)).must("POST", f"{_route(name)}/restore", {})
    _tell(made, as_json, f"{name}: restored.")


def _provider(name: str) -> str:
    return f"/api/providers/{quote(name, safe='')}"


def _route(name: str) -> str:
    return f"/api/routes/{quote(name)}"


def _ask_for_key() -> str:
    """A secret from the terminal, unseen, or from standard input; never from the command line, which others can see."""
    if sys.stdin.isatty():
        import getpass

        return getpass.getpass("Key: ").strip()
    return sys.stdin.read(_MAX_SECRET + 1).strip()


def _values(pairs: list[str] | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise StartupError(f"{pair!r}: field=value is needed.", USAGE_EXIT)
        found[name.strip()] = _value(value)
    return found


def _value(text: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _key(key: dict[str, Any]) -> str:
    return f"{key['label']} …{key['hint']}" + (" (unusable)" if key["problem"] else "")


def _how(one: dict[str, Any]) -> str:
    if not one["enabled"]:
        return "switched off"
    failed = one["health"]["message"] if one["health"]["state"] == "failed" else ""
    return one["problem"] or failed or ("works" if one["health"]["state"] == "ok" else "")


def _candidate(one: dict[str, Any]) -> str:
    return f"{one['provider']}/{one['model']}"


def _state(route: dict[str, Any]) -> str:
    if not route["enabled"]:
        return "switched off"
    return f"{len(route['problems'])} of its candidates cannot answer" if route["problems"] else ""


def _doing(state: dict[str, Any] | None) -> str:
    if state is None:
        return ""
    first = state["firstContent"]
    return str(state["breaker"]) + (f", first content after {first * 1000:.0f} ms" if first is not None else "")


def _price(prices: dict[str, Any] | None) -> str:
    if prices is None or prices["input"] is None:
        return ""
    return f"${prices['input']:g} / ${prices['output'] or 0:g}"


def _tell(value: Any, as_json: bool, text: str) -> None:
    if as_json:
        print_json(value)
    else:
        sys.stdout.write(plain(text) + "\n")
