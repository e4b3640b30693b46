"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from corral.settings import load_settings

Url = Annotated[str | None, typer.Option(help="Address of the server; from the settings without it.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def server_url(url: str | None) -> str:
    """`url`, or where the settings say that the server listens. Raises StartupError."""
    if url is not None:
        return url
    settings = load_settings().settings
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"
