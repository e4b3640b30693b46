"""Writes docs/reference from the code. `--check` changes nothing and fails when a page is out of date."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import typer
from pydantic import BaseModel

from corral.accounts.service import LocalAccounts
from corral.app.gateway import build_gateway
from corral.cli.main import EXIT_CODES, app
from corral.models import options
from corral.models.options import Kind, Option
from corral.models.options.forms import GROUPS
from corral.realtime.configuration import add_configuration
from corral.realtime.device_turns import add_device_turns
from corral.realtime.handlers import add_agents, add_models, add_turns
from corral.realtime.intents import Intents
from corral.realtime.monitoring import add_logs, add_metrics
from corral.realtime.providers import add_limits, add_providers, add_routes
from corral.settings import TABLES, AttachedEngine, Settings
from corral.settings.gateway import (
    CandidateEntry,
    FileProvider,
    LimitEntry,
    ModelEntry,
    PriceEntry,
    RouteEntry,
    RulesEntry,
)
from corral.settings.otel import VARIABLES, OtelEntry
from corral.surfaces.api.agents import agents_router
from corral.surfaces.api.application import build_api
from corral.surfaces.api.chat import chat_router
from corral.surfaces.api.configuration import configuration_router
from corral.surfaces.api.device import device_router
from corral.surfaces.api.device_turns import device_turns_router
from corral.surfaces.api.health import health_router
from corral.surfaces.api.logs import logs_router
from corral.surfaces.api.models import models_router
from corral.surfaces.api.monitoring import monitoring_router
from corral.surfaces.api.providers import limits_router, providers_router, routes_router
from corral.surfaces.v1.application import v1_router
from corral.surfaces.v1.debug import debug_router

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import error_table  # noqa: E402 - a script does not see the folder that it lies in as a package

FOLDER = ROOT / "docs" / "reference"
MADE = "<!-- Written by tools/reference.py from the code; `make docs` writes it again. -->\n"
GATEWAY = {
    "/v1/chat/completions": "Chat in OpenAI's form: tools, images, JSON schema, streaming.",
    "/v1/responses": "OpenAI's responses, as Codex speaks them; nothing is stored.",
    "/v1/completions": "Plain completion, with streaming.",
    "/v1/embeddings": "Embeddings, from an embedding model.",
    "/v1/rerank": "Documents in the order of a query, from a reranking model.",
    "/v1/models": "All models and routes, for callers of OpenAI's and of Anthropic's API (`limit`, `after_id`, `before_id`).",
    "/v1/models/{name}": "One of them.",
    "/v1/messages": "Chat in Anthropic's form.",
    "/v1/messages/count_tokens": "How many tokens a prompt has: by the engine's own tokenizer, or as the provider counts.",
    "/ollama": "Says that somebody is there; `/ollama/` too.",
    "/ollama/api/chat": "Chat in Ollama's form, as lines of JSON.",
    "/ollama/api/generate": "A text in Ollama's form.",
    "/ollama/api/embed": "Embeddings in Ollama's form.",
    "/ollama/api/embeddings": "The same in its older form.",
    "/ollama/api/tags": "All models.",
    "/ollama/api/ps": "Those that are loaded.",
    "/ollama/api/show": "One of them, with what it can do.",
    "/ollama/api/version": "The version of Ollama's API that is spoken.",
    "/upstream/{name}/completion": "llama.cpp's own completion, with streaming.",
    "/upstream/{name}/infill": "Fill in the middle.",
    "/upstream/{name}/tokenize": "Text to tokens.",
    "/upstream/{name}/detokenize": "Tokens to text.",
    "/upstream/{name}/apply-template": "The prompt that a chat becomes.",
    "/upstream/{name}/props": "What the engine runs with.",
    "/upstream/{name}/slots": "Its slots.",
    "/upstream/{name}/metrics": "Its figures.",
}
"""What the surfaces of the dialects serve. `/ollama/v1/...` is the same as `/v1/...`."""


def cell(text: object) -> str:
    """Text that stays within a table's cell."""
    return " ".join(str(text).split()).replace("|", "\\|")


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *([cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def commands(command: Any, name: str) -> list[tuple[str, Any]]:
    """All commands below `command` that do something, with their full names."""
    inner: dict[str, Any] = getattr(command, "commands", {})
    if inner:
        return [found for key, one in sorted(inner.items()) for found in commands(one, f"{name} {key}")]
    return [(name, command)]


def cli() -> str:
    """The page of the command line."""
    parts = [MADE, "# Command line\n"]
    for name, command in commands(typer.main.get_command(app), "corral"):
        parts.append(f"## `{name}`\n\n{command.help}\n")
        rows = []
        for parameter in command.params:
            is_option = parameter.param_type_name == "option"
            shown = ", ".join(f"`{one}`" for one in parameter.opts) if is_option else f"`{parameter.name.upper()}`"
            rows.append((shown, getattr(parameter, "help", None) or ""))
        if rows:
            parts.append(table(("option", "meaning"), rows))
    parts.append("## Exit codes\n")
    parts.append(table(("code", "meaning"), EXIT_CODES.items()))
    parts.append("`corral --install-completion` sets up the completion of your shell.\n")
    return "\n".join(parts)


def kind(annotation: object) -> str:
    """A short name of a type; who looks at its values is not part of it."""
    return (
        re.sub(r"Annotated\[(.+?), AfterValidator\(func=<function \w+ at \w+>\)\]", r"\1", str(annotation))
        .replace("typing.", "")
        .replace("pathlib.", "")
        .replace("<class '", "")
        .replace("'>", "")
        .replace("NoneType", "None")
    )


def variables() -> str:
    """OpenTelemetry's variables that count."""
    return ", ".join(
        f"`{name}`" for name in (*VARIABLES, "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_SDK_DISABLED")
    )


def configuration() -> str:
    """The page of the settings."""
    shown = Settings.model_construct().model_dump(mode="json", exclude={"otel"})
    rows = [
        (
            f"`{name}`",
            f"`{kind(field.annotation)}`" if name not in TABLES else "tables",
            f"`{shown.get(name)}`",
            "" if name in TABLES else f"`CORRAL_{name.upper()}`",
            field.description,
        )
        for name, field in Settings.model_fields.items()
        if name != "faultpoint"
    ]
    attached = [
        (f"`{name}`", f"`{kind(field.annotation)}`", field.description or "")
        for name, field in AttachedEngine.model_fields.items()
    ]
    heads: dict[str, tuple[type[BaseModel], str]] = {
        "[providers.NAME]": (FileProvider, "A provider that clients and routes name. Its keys are read from the environment."),
        "[[providers.NAME.models]]": (ModelEntry, "What is known of a model; a plain text in `models` is its name."),
        "Prices": (PriceEntry, "`prices` of a provider or a model, `price` of a candidate."),
        "[routes.NAME]": (RouteEntry, "A name that clients ask for, and who answers. See [the page on providers](../rooms/providers.md)."),
        "Candidates": (CandidateEntry, "One of `candidates`, or `mirror`; a plain `provider/model` will do."),
        "Rules": (RulesEntry, "`parameters` of a route."),
        "[[limits]]": (LimitEntry, "How much somebody may ask for."),
        "[otel]": (OtelEntry, "Where traces and metrics are sent. OpenTelemetry's own variables go before it, key by key: " + variables() + "."),
    }  # fmt: skip
    gateway = [
        f"## {head if head[0] != '[' else f'`{head}`'}\n\n{text}\n\n"
        + table(
            ("key", "meaning"), ((f"`{name}`", field.description or "") for name, field in shape.model_fields.items())
        )
        for head, (shape, text) in heads.items()
    ]
    return "\n".join(
        [
            MADE, "# Configuration\n",
            "Later wins: defaults, `corral.toml` (in the data folder, else here), the environment, flags. `corral config show` says",
            "where each value came from. `PORT` sets the port too. An unknown name is refused with a suggestion.\n",
            table(("setting", "type", "default", "environment", "meaning"), rows), "## `[engines.NAME]`\n",
            "An engine for the model called NAME, beside the embedded one: exactly one of `url`, `command` and `llama_server`.\n",
            table(("key", "type", "meaning"), attached), *gateway,
        ]
    )  # fmt: skip


def http() -> str:
    """The page of the HTTP interface."""
    accounts, nothing = LocalAccounts(), cast("Any", None)
    routers = [
        v1_router(accounts, nothing, nothing, nothing, nothing),
        debug_router(accounts, nothing, nothing, nothing),
        chat_router(accounts, nothing),
        agents_router(accounts, nothing),
        models_router(accounts, nothing, nothing),
        configuration_router(accounts, nothing),
        health_router(accounts, nothing, nothing, nothing),
        monitoring_router(accounts, nothing),
        logs_router(accounts, nothing),
        providers_router(accounts, nothing),
        routes_router(accounts, nothing, nothing),
        limits_router(accounts, nothing),
        device_router(accounts, nothing),
        device_turns_router(accounts, nothing),
    ]
    described = build_api(routers).openapi()
    rows = []
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            inputs = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            if "$ref" in body:
                body = described["components"]["schemas"][body["$ref"].rsplit("/", 1)[1]]
            inputs += [name for name in body.get("properties", {}) if name not in inputs]
            rows.append(
                (
                    f"`{method.upper()} {path}`",
                    operation["x-corral-permission"],
                    ", ".join(f"`{name}`" for name in inputs),
                )
            )
    return "\n".join(
        [
            MADE, "# HTTP\n", "The full schema is at `/api/openapi.json` of a running server. Errors of `/api` are",
            '`{"error": {"code", "message", "details"?}, "requestId"}`; every answer carries `X-Request-Id`.',
            "Answers under `/api/v1` are in an envelope ([guide](../guides/api-v1.md)).\n",
            table(("route", "permission", "inputs"), rows), "## Models in every dialect\n",
            "Bodies and answers are those of the public API of each dialect. [The guide](../guides/clients.md) has the addresses for clients.\n",
            table(("route", "permission", "what"), gateway_rows()),
        ]
    )  # fmt: skip


def gateway_rows() -> list[tuple[str, str, str]]:
    """The routes of the dialects. Raises ValueError for one that nobody has described."""
    nothing = cast("Any", None)
    found = {
        path: (method, permission) for method, path, permission in build_gateway(LocalAccounts(), nothing, nothing, nothing).routes()
    }  # fmt: skip
    hidden = {"/ollama/", *(f"/ollama/api/{what}" for what in ("pull", "push", "create", "copy", "delete"))}
    plain = {path for path in found if path not in hidden and not path.startswith("/ollama/v1/")}
    if plain != set(GATEWAY):
        raise ValueError(f"described and served differ: {sorted(plain ^ set(GATEWAY))}")
    return [(f"`{'GET' if path == '/ollama' else found[path][0]} {path}`", found[path][1].value, text) for path, text in GATEWAY.items()]  # fmt: skip


def socketio() -> str:
    """The page of the Socket.IO interface."""
    intents, nothing = Intents(), cast("Any", None)
    add_models(intents, nothing, nothing)
    add_agents(intents, nothing)
    add_turns(intents, nothing, nothing)
    add_device_turns(intents, nothing)
    add_configuration(intents, nothing, nothing)
    add_metrics(intents, nothing)
    add_logs(intents, nothing, nothing)
    add_providers(intents, nothing)
    add_routes(intents, nothing, nothing)
    add_limits(intents, nothing)
    rows = []
    for intent in map(intents.get, intents.names()):
        fields = ", ".join(f"`{field.alias or name}`" for name, field in intent.body.model_fields.items())
        rows.append((f"`{intent.event}`", intent.permission.value, fields))
    return "\n".join(
        [
            MADE, "# Socket.IO\n", "At `/llamaproxws`. A client sends an intent with `{data, requestId}` and gets `<intent>:result` with the same `requestId`, in",
            "the envelope `{type, event, success?, data?, error?, requestId?, timestamp}`. How turns are followed and what is pushed is in",
            "[the room's page](../rooms/realtime.md).\n", table(("intent", "permission", "data"), rows),
        ]
    )  # fmt: skip


def takes(option: Option) -> str:
    """What values an option takes, in words."""
    if option.choices:
        several = "some of " if option.kind is Kind.TEXTS else ""
        return several + ", ".join(f"`{choice}`" for choice in option.choices)
    low, high = option.minimum, option.maximum
    bounds = f" from {low:g} to {high:,.10g}" if low is not None and high is not None else ""
    words = {
        Kind.BOOL: "true or false", Kind.INT: f"whole number{bounds}", Kind.FLOAT: f"number{bounds}", Kind.TEXT: "text",
        Kind.PATH: "file", Kind.PATHS: "files", Kind.TEXTS: "texts", Kind.INTS: f"{option.count[0]} whole numbers",
        Kind.FLOATS: "numbers", Kind.JSON: "JSON object",
    }  # fmt: skip
    return words.get(option.kind, option.kind.value) + (f", {option.unit}" if option.unit else "")


def option_tables() -> str:
    """The page of the options of engines."""
    parts = [
        MADE, "# Options of engines\n",
        "Set for one model, for all models, or by a template. What is not set is the engine's own default. An option for all",
        "models counts where the model has no value of its own. The pages of the web app,",
        "`corral models set`, `PUT /api/models/{name}` and `models:save` take them under these names. Files are named from the folder of the model, or",
        "with their whole path. A change needs a new start of the engine, but for those without a flag.\n",
        "Where: `m` for a model, `a` for all of them. ¹ only a `llama_server` engine takes it, the embedded one does not.\n",
    ]  # fmt: skip
    for name, (label, text) in GROUPS.items():
        rows = []
        for option in options.group(name):
            where = "".join({"model": "m", "server": "a"}[scope] for scope in option.scopes)
            default = "" if option.default is None else f"`{json.dumps(option.default)}`"
            mark = " ¹" if option.engines == ("llama_server",) else ""
            flag = f"`{option.flag}`{mark}" if option.flag else ""
            rows.append((f"`{option.wire}`", flag, where, takes(option), default, option.help))
        parts.append(f"## {label}\n\n{text}\n")
        parts.append(table(("option", "flag of llama-server", "where", "takes", "default", "meaning"), rows))
    parts.append("## Not to be chosen\n\nCorral sets these options of llama-server itself.\n")
    parts.append(table(("option", "because"), ((f"`{name}`", reason) for name, reason in options.FIXED.items())))
    return "\n".join(parts)


def error_page() -> str:
    """The page of the errors."""
    return "\n".join([MADE, "# Errors\n", error_table.page(table)])


PAGES = {
    "cli.md": cli,
    "configuration.md": configuration,
    "options.md": option_tables,
    "http.md": http,
    "socketio.md": socketio,
    "errors.md": error_page,
    "../../web/src/api/errors.ts": error_table.typescript,
    "../../web/src/api/passing.ts": error_table.passing,
}


def main() -> int:
    """Writes the pages, or checks them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        text = page().rstrip() + "\n"
        path = FOLDER / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if not check:
                path.write_text(text)
    if check and stale:
        print(f"out of date: {', '.join(stale)}; run `make docs`")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
