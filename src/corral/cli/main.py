"""The `corral` command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from corral.kit.errors import StartupError
from corral.version import __version__

app = typer.Typer(
    name="corral", help="A private AI service on one machine.", no_args_is_help=True, pretty_exceptions_enable=False
)


@app.command()
def version() -> None:
    """Shows the version."""
    sys.stdout.write(f"corral {__version__}\n")


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (loopback only).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of everything that Corral keeps.")] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file; DATA/corral.toml without it.")] = None,
) -> None:
    """Runs the server until Ctrl+C; a second one stops at once."""
    from corral.cli.serving import serve as run_server
    from corral.settings import load_settings

    run_server(load_settings({"host": host, "port": port, "data": data}, config=config).settings)


def run() -> None:
    """The entry point. Exit codes: 0 done, 1 failed, 2 bad usage or settings, 3 data in use, 4 public address, 5 port taken."""
    try:
        app()
    except StartupError as error:
        sys.stderr.write(f"corral: {error.message}\n")
        sys.exit(error.exit_code)
