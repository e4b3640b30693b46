"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from corral.settings import load_settings

Url = Annotated[str | None, typer.Option(help="Address of the server; from the settings without it.")]
Data = Annotated[Path | None, typer.Option(help="Folder of everything that Corral keeps.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def server_url(url: str | None, data: Path | None = None) -> str:
    """`url`, or where the settings say that the server listens. Raises StartupError."""
    if url is not None:
        return url
    settings = load_settings({"data": data}).settings
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"
