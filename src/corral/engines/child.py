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
from typing import Any

_PR_SET_PDEATHSIG = 1


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
    """xllamacpp's parameters. Only these options are ever set; none comes from outside unchecked."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = config["path"]
    params.model_alias = {config["model"]}
    params.n_ctx = int(config["context"]) * int(config["slots"])
    params.n_parallel = int(config["slots"])
    # A request that is given up in its prompt ends at the next batch, so batches are small.
    params.n_batch = 512
    params.hostnames = [config["socket"]]
    params.port = 0
    params.api_keys = [config["key"]]
    params.cache_ram_mib = 0
    params.cors_origins = ""
    params.ui = False
    params.endpoint_slots = True
    params.endpoint_metrics = True
    params.use_jinja = True
    if config.get("embeddings"):
        params.embedding = True
    if config.get("mmproj"):
        params.mmproj.path = config["mmproj"]
    return params


def main() -> None:
    """Runs until told to end."""
    die_with_parent()
    config = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=watch_lifeline, daemon=True).start()
    import xllamacpp

    try:
        server = xllamacpp.Server(parameters(config))
    except RuntimeError as error:
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
