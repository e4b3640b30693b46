"""The embedded engine: llama.cpp's own server, run by the `xllamacpp` package in this process.

The first line of standard input is its configuration as JSON; afterwards standard input is the lifeline: when it ends,
Corral is gone and so are we. Run by its path, so it uses the standard library and `xllamacpp` alone.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

_PR_SET_PDEATHSIG = 1
LAST_WORDS = 0.3


def die_with_parent() -> None:
    """Asks Linux for SIGKILL when the parent ends; elsewhere the lifeline alone does it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def watch_lifeline() -> None:
    """Ends the process when standard input does."""
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


def parameters(config: dict[str, Any]) -> Any:
    """xllamacpp's parameters: the options that were checked and translated, then what is never for anyone to choose."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    for path, value in config["settings"]:
        place(xllamacpp, params, path, value)
    params.model.path = config["path"]
    params.model_alias = {config["model"]}
    params.n_ctx = int(config["context"]) * int(config["slots"])
    params.n_parallel = int(config["slots"])
    if config.get("embeddings"):
        params.embedding = True
    if config.get("mmproj"):
        params.mmproj.path = config["mmproj"]
    params.hostnames = [config["socket"]]
    params.port = 0
    params.api_keys = [config["key"]]
    params.api_prefix = params.public_path = params.media_path = ""
    params.server_tools = []
    params.mcp_servers_config = params.mcp_servers_json = ""
    params.cors_origins = ""
    params.ui = params.ui_mcp_proxy = False
    params.endpoint_slots = params.endpoint_metrics = True
    params.endpoint_props = False
    params.prefill_assistant = True
    params.offline = True
    params.slot_save_path = config.get("saves") or ""
    return params


def place(engine: Any, params: Any, path: str, value: Any) -> None:
    """Sets one attribute, named with its way from the parameters. A value of one key says what is made of it."""
    *way, name = path.split(".")
    for part in way:
        params = getattr(params, part)
    if isinstance(value, dict) and len(value) == 1 and name != "default_template_kwargs":
        (form, inner), old = next(iter(value.items())), getattr(params, name)
        value = FORMS[form](engine, inner, old)
    setattr(params, name, value)


def member(engine: Any, named: list[str]) -> Any:
    """A member of one of the engine's enumerations."""
    enumeration, name = named
    return getattr(getattr(engine, enumeration), name)


def bits(engine: Any, inner: list[Any], old: int) -> int:
    """The bits of several members in one number."""
    enumeration, names = inner
    for name in names:
        old |= int(member(engine, [enumeration, name]))
    return old


def schema(engine: Any, text: str, old: Any) -> Any:
    """The grammar of a JSON schema. Marked as somebody's own, for else the end of the prompt has to fit it as well."""
    made = engine.json_schema_to_grammar(text)
    return engine.CommonGrammar(engine.common_grammar_type.COMMON_GRAMMAR_TYPE_USER, made)


FORMS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "enum": lambda engine, inner, old: member(engine, inner),
    "enums": lambda engine, inner, old: [member(engine, one) for one in inner],
    "bits": bits,
    "grammar": lambda engine, inner, old: engine.CommonGrammar(
        engine.common_grammar_type.COMMON_GRAMMAR_TYPE_USER, inner
    ),
    "schema": schema,
    "lora": lambda engine, inner, old: [engine.CommonAdapterLoraInfo(path, scale) for path, scale in inner],
    "all": lambda engine, inner, old: [inner] * len(old),
    "first": lambda engine, inner, old: [*inner, *old[len(inner) :]],
    "range": lambda engine, inner, old: [inner[0] <= at <= inner[1] for at in range(len(old))],
}


def main() -> None:
    """Runs until told to end."""
    die_with_parent()
    # Loaded before the configuration comes: Corral starts us while an engine that has to leave still does.
    import xllamacpp

    config = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=watch_lifeline, daemon=True).start()
    try:
        server = xllamacpp.Server(parameters(config))
    except (RuntimeError, ValueError, TypeError, AttributeError, AssertionError) as error:
        # The engine writes its log from a thread of its own; the reason is in its last lines.
        time.sleep(LAST_WORDS)
        sys.stderr.write(f" E {error}\n")
        sys.stderr.flush()
        os._exit(1)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stderr.write(f"listening on {server.listening_address}\n")
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
