"""`corral config …`: the settings and where each came from."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from corral.cli.options import Data, JsonFlag
from corral.cli.output import print_json, table
from corral.settings import CONFIG_FILE, describe, load_settings

app = typer.Typer(name="config", help="Settings.", no_args_is_help=True)
Config = Annotated[Path | None, typer.Option(help="Configuration file; DATA/corral.toml without it.")]


@app.command()
def show(data: Data = None, config: Config = None, as_json: JsonFlag = False) -> None:
    """Shows every setting and where its value came from; secrets are masked."""
    rows = describe(load_settings({"data": data}, config=config))
    if as_json:
        print_json(rows)
    else:
        table(("setting", "value", "from"), ((row["name"], json.dumps(row["value"]), row["source"]) for row in rows))


@app.command()
def path(data: Data = None) -> None:
    """Shows which configuration file is read, or where one would be looked for."""
    found = load_settings({"data": data})
    if found.file is None:
        sys.stderr.write("There is no configuration file yet; this is its place.\n")
    sys.stdout.write(f"{(found.file or found.settings.data / CONFIG_FILE).resolve()}\n")


@app.command()
def check(data: Data = None, config: Config = None) -> None:
    """Checks the settings; exit code 2 and the reason when they are wrong."""
    load_settings({"data": data}, config=config)
    sys.stdout.write("The settings are fine.\n")
