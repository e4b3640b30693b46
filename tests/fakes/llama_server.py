"""Takes llama-server's flags (and refuses others, as it does) and runs llama.cpp's server with them."""

from __future__ import annotations

import argparse
import os
import signal
import sys


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("--model", "--alias", "--host", "--mmproj"):
        parser.add_argument(name)
    for name in ("--ctx-size", "--parallel", "--batch-size"):
        parser.add_argument(name, type=int)
    for name in ("--jinja", "--slots", "--metrics", "--no-webui", "--embeddings"):
        parser.add_argument(name, action="store_true")
    options, unknown = parser.parse_known_args()
    if unknown:
        print(f"error: invalid argument: {unknown[0]}", file=sys.stderr, flush=True)
        sys.exit(1)
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = options.model, {options.alias}
    params.n_ctx, params.n_parallel, params.n_batch = options.ctx_size, options.parallel, options.batch_size
    params.hostnames, params.port = [options.host], 0
    params.api_keys = [os.environ["LLAMA_API_KEY"]]
    params.use_jinja, params.embedding = options.jinja, options.embeddings
    server = xllamacpp.Server(params)
    print(f"listening on {server.listening_address}", file=sys.stderr, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
