"""The `corral` command. Commands import what they need when they run, so that `--help` comes at once."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

from corral.cli import config as config_commands
from corral.cli import models as model_commands
from corral.cli.configuring import import_config
from corral.cli.gateway import providers_app, routes_app
from corral.cli.options import Data, JsonFlag, Url, server_url
from corral.kit.errors import CorralError, StartupError
from corral.version import __version__

EXIT_CODES = {
    0: "Done.",
    1: "It failed; the reason is on standard error. `corral doctor`: something needs mending.",
    2: "The command line or the settings are wrong.",
    3: "The data folder is in use by another server.",
    4: "A public address was asked for while accounts are off.",
    5: "The port is taken.",
    6: "No server answers.",
    130: "Ended with Ctrl+C.",
}

app = typer.Typer(
    name="corral", help="A private AI service on one machine.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.add_typer(model_commands.app)
app.add_typer(config_commands.app)
app.add_typer(providers_app)
app.add_typer(routes_app)
app.command("import-config")(import_config)


@app.command()
def version() -> None:
    """Shows the version."""
    sys.stdout.write(f"corral {__version__}\n")


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (loopback only).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    data: Data = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file; DATA/corral.toml without it.")] = None,
) -> None:
    """Runs the server until Ctrl+C; a second one stops at once."""
    # Nearly all that starting makes is there to stay, so a sixth of it would be the collector's walks over it.
    # `serving` turns it on again.
    gc.disable()
    from corral.cli.serving import serve as run_server
    from corral.settings import load_settings

    run_server(load_settings({"host": host, "port": port, "data": data}, config=config))


@app.command()
def chat(
    message: Annotated[str | None, typer.Argument(help="One message; without it, a conversation.")] = None,
    url: Url = None,
    agent: Annotated[str | None, typer.Option(help="Id of the conversation to go on with.")] = None,
    model: Annotated[str | None, typer.Option(help="The model that answers.")] = None,
    user: Annotated[str | None, typer.Option(help="The user, while accounts are off.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Talks to a model. An answer is followed over lost connections and restarts of the server."""
    from corral.cli import chat as chatting
    from corral.cli.client import Client

    client = Client(server_url(url), user)
    options = chatting.ChatOptions(agent, model, as_json)
    if message is None and not sys.stdin.isatty():
        message = sys.stdin.buffer.read().decode("utf-8", "replace")
    if message is None:
        raise typer.Exit(chatting.interactive(client, options))
    client.must("GET", "/livez")
    raise typer.Exit(chatting.once(client, options, message))


@app.command()
def pull(
    repo: Annotated[str, typer.Argument(help="Repository of the hub, as owner/name or owner/name:Q4_K_M.")],
    choices: Annotated[bool, typer.Option("--list", help="Only show what there is and what fits.")] = False,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit; the newest without it.")] = None,
    url: Url = None,
    as_json: JsonFlag = False,
) -> None:
    """Downloads a model through the running server; without a quantisation what fits this machine best."""
    from corral.cli.client import Client
    from corral.cli.pulling import Pull, show_choices
    from corral.cli.pulling import pull as pull_model

    client, wanted = Client(server_url(url)), Pull(repo, revision, as_json)
    raise typer.Exit(show_choices(client, wanted) if choices else pull_model(client, wanted))


@app.command()
def doctor(
    data: Data = None,
    quick: Annotated[bool, typer.Option("--quick", help="Do not start an engine.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Looks for what is wrong and says how to mend it."""
    from corral.cli.doctor import examine, report

    raise typer.Exit(report(examine(data, quick=quick), as_json=as_json))


def run() -> None:
    """The entry point; exit codes are those of `EXIT_CODES`."""
    try:
        app()
    except StartupError as error:
        sys.stderr.write(f"corral: {error.message}\n")
        sys.exit(error.exit_code)
    except CorralError as error:
        sys.stderr.write(f"corral: {error.message}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
