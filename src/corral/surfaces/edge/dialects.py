"""In which dialect an error is told, by the path that was asked for."""

from __future__ import annotations

import msgspec

from corral.kit.errors import CorralError
from corral.kit.rendering import render_api, render_openai

_OPENAI = ("/v1/", "/ollama/v1/", "/upstream/")


def error_body(path: str, error: CorralError, request_id: str) -> bytes:
    """The body of an error answer."""
    if path.startswith(_OPENAI):
        return msgspec.json.encode(render_openai(error))
    if path.startswith("/ollama/") or path == "/ollama":
        return msgspec.json.encode({"error": error.message})
    return msgspec.json.encode(render_api(error, request_id))
