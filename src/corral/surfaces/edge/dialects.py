"""In which dialect an error is told: that of the path that was asked for."""

from __future__ import annotations

import msgspec

from corral.dialects.registry import DIALECTS
from corral.kit.errors import CorralError
from corral.kit.rendering import render_api, render_openai
from corral.surfaces.asgi import Headers, Scope, header
from corral.surfaces.v1.envelope import failed, is_v1

_OPENAI = ("/v1/", "/ollama/v1/", "/upstream/")


def error_body(scope: Scope, error: CorralError, request_id: str) -> tuple[bytes, Headers]:
    """The body of an error answer, and the headers that its dialect adds."""
    path = scope["path"]
    if speaks_anthropic(scope):
        told = msgspec.json.decode(DIALECTS["anthropic"].write_error(error), type=dict[str, msgspec.Raw])
        told["request_id"] = msgspec.Raw(msgspec.json.encode(request_id))
        return msgspec.json.encode(told), [(b"request-id", request_id.encode())]
    if path.startswith(_OPENAI):
        return msgspec.json.encode(render_openai(error)), []
    if path.startswith("/ollama/") or path == "/ollama":
        return msgspec.json.encode({"error": error.message}), []
    told = failed(error, request_id) if is_v1(path) else render_api(error, request_id)
    return msgspec.json.encode(told), []


def speaks_anthropic(scope: Scope) -> bool:
    """Whether the caller is one of Anthropic's API: by the path, or where both APIs have the same one, by its header."""
    path = scope["path"]
    if path.startswith("/v1/messages"):
        return True
    return path.startswith("/v1/models") and header(scope, b"anthropic-version") is not None
