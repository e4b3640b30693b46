"""Takes over what an older dashboard kept in JSON files: `llama-server-config.json` and `model-templates.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from corral.kit.errors import CorralError, InvalidRequest
from corral.models.options.types import Option
from corral.models.options.values import check, find

SERVER_FILE = "llama-server-config"
TEMPLATES_FILE = "model-templates"
_OTHER_NAMES = {"n_ctx": "ctx_size", "n_batch": "batch_size", "n_ubatch": "ubatch_size", "n_threads": "threads", "n_gpu_layers": "gpu_layers"}  # fmt: skip
_LEFT = {
    "host": "engines listen on a private socket; Corral's own address is set with --host",
    "port": "engines listen on a private socket; Corral's own port is set with --port",
    "serverPath": "Corral brings its engine; to use another, name it in corral.toml: [engines.NAME] llama_server = …",
    "server_path": "Corral brings its engine; to use another, name it in corral.toml: [engines.NAME] llama_server = …",
}


@dataclass(slots=True)
class Reading:
    """What a file says, in Corral's words; `skipped` has what cannot be taken over, with the reason."""

    kind: str
    server: dict[str, Any] = field(default_factory=dict)
    folder: str | None = None
    default_model: str | None = None
    templates: dict[str, str] = field(default_factory=dict)
    skipped: list[dict[str, str]] = field(default_factory=list)

    def skip(self, key: str, reason: str) -> None:
        """Notes what is not taken over."""
        self.skipped.append({"key": key[:200], "reason": reason})


def kind_of(document: Mapping[str, Any]) -> str:
    """Which file this is. Raises InvalidRequest for neither."""
    if "model_templates" in document or "default_model" in document:
        return TEMPLATES_FILE
    if any(key in _LEFT or key == "basePath" or _option(key) is not None for key in document):
        return SERVER_FILE
    raise InvalidRequest(
        "This is neither a llama-server-config.json nor a model-templates.json: none of its fields is known.",
        param="document",
    )


def read(document: Mapping[str, Any], kind: str | None = None) -> Reading:
    """Reads either file. Raises InvalidRequest."""
    kind = kind or kind_of(document)
    if kind == SERVER_FILE:
        return _server(document)
    if kind == TEMPLATES_FILE:
        return _templates(document)
    raise InvalidRequest(f"kind is {SERVER_FILE} or {TEMPLATES_FILE}.", param="kind")


def _option(key: str) -> Option | None:
    return find(_OTHER_NAMES.get(key, key))


def _server(document: Mapping[str, Any]) -> Reading:
    reading = Reading(SERVER_FILE)
    for key, value in document.items():
        option = _option(key)
        if key in _LEFT:
            reading.skip(key, _LEFT[key])
        elif key == "basePath":
            if isinstance(value, str) and value.strip():
                reading.folder = value
            else:
                reading.skip(key, "is not the name of a folder")
        elif option is None:
            reading.skip(key, "is no option of Corral")
        elif value is None:
            reading.skip(key, "is not set")
        else:
            try:
                reading.server.update(check({option.name: value}, scope="server"))
            except InvalidRequest as error:
                reading.skip(key, error.message)
    return reading


def _templates(document: Mapping[str, Any]) -> Reading:
    reading = Reading(TEMPLATES_FILE)
    model = document.get("default_model")
    if isinstance(model, str) and model:
        reading.default_model = model
    elif model is not None:
        reading.skip("default_model", "is not a name")
    given = document.get("model_templates", {})
    if not isinstance(given, dict):
        raise InvalidRequest("model_templates is an object: {model: template}.", param="model_templates")
    for name, template in given.items():
        if not isinstance(name, str) or not isinstance(template, str) or not 1 <= len(template) <= 100:
            reading.skip(f"model_templates.{name}", "takes the name of a template, of at most 100 characters")
        else:
            reading.templates[name] = template
    for key in document:
        if key not in ("default_model", "model_templates"):
            reading.skip(str(key), "is not known here")
    return reading


def failure(error: CorralError) -> str:
    """Why something was not taken over."""
    fields = (error.details or {}).get("fields")
    return "; ".join(f"{name} {reason}" for name, reason in fields.items()) if fields else error.message
