"""Takes llama-server's flags as it does and runs llama.cpp's server with them.

A flag that the real program does not have is refused: the names are those in the engine's own library, which holds its
parser. What follows a flag that wants a value is its value, whatever it begins with. `--report FILE` is ours: the
arguments are written there as JSON.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

SWITCHES = {
    "--jinja", "--no-jinja", "--slots", "--metrics", "--no-webui", "--embeddings", "--reranking", "--no-kv-unified",
    "--kv-unified", "--swa-full", "--no-cache-prompt", "--cache-prompt", "--no-kv-offload", "--kv-offload",
    "--no-op-offload", "--op-offload", "--context-shift", "--no-context-shift", "--check-tensors", "--no-repack",
    "--repack", "--no-host", "--no-warmup", "--warmup", "--no-cont-batching", "--cont-batching", "--ignore-eos",
    "--backend-sampling", "--no-prefill-assistant", "--prefill-assistant", "--skip-chat-parsing",
    "--no-skip-chat-parsing", "--lora-init-without-apply", "--no-mmproj-offload", "--mmproj-offload", "--no-perf",
    "--perf", "--no-cache-idle-slots", "--cache-idle-slots", "--special",
}  # fmt: skip
TWO = {"--control-vector-layer-range"}


def flags() -> set[str]:
    """The flags that llama.cpp's parser knows."""
    import xllamacpp.xllamacpp

    data = Path(xllamacpp.xllamacpp.__file__).read_bytes()
    return {found.decode() for found in re.findall(rb"(?<=\0)--[a-z][a-z0-9-]+(?=\0)", data)}


def read(arguments: list[str]) -> dict[str, list[Any]]:
    """The values of each flag. Leaves with 1, as the real program does, for one that is not known."""
    known, given = flags(), dict[str, list[Any]]()
    rest = iter(arguments)
    for flag in rest:
        if flag not in known:
            print(f"error: invalid argument: {flag}", file=sys.stderr, flush=True)
            sys.exit(1)
        values = [] if flag in SWITCHES else [next(rest) for _ in range(2 if flag in TWO else 1)]
        given.setdefault(flag, []).extend(values or [True])
    return given


def main() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] == ["--report"]:
        Path(arguments[1]).write_text(json.dumps(arguments[2:]))
        arguments = arguments[2:]
    given = {flag: values[-1] for flag, values in read(arguments).items()}
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = given["--model"], {given["--alias"]}
    params.n_ctx, params.n_parallel = int(given["--ctx-size"]), int(given["--parallel"])
    params.n_batch, params.cache_ram_mib = int(given["--batch-size"]), int(given["--cache-ram"])
    params.hostnames, params.port = [given["--host"]], 0
    params.api_keys = [os.environ["LLAMA_API_KEY"]]
    params.use_jinja = "--jinja" in given
    params.embedding = "--embeddings" in given
    params.sampling.temp = float(given.get("--temp", 0.8))
    if "--lora-scaled" in given:
        path, scale = given["--lora-scaled"].rsplit(":", 1)
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, float(scale))]
    server = xllamacpp.Server(params)
    print(f"listening on {server.listening_address}", file=sys.stderr, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
