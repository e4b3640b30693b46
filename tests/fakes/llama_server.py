"""A llama-server: llama.cpp's own parser of arguments and its own server, both out of the engine's library.

The library has the parser, though nothing in Python calls it. `REFUSED` are flags that this one does not know, as an
older program would not.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Any

REFUSED: tuple[str, ...] = ()
_PARSE = "_Z19common_params_parseiPPcR13common_params13llama_examplePFviS0_E"
_SERVER = 12
"""llama.cpp's number for llama-server among its programs."""
_HEAD = 16
"""Where the parameters begin within the Python object that holds them: behind its count and its type."""


def parsed(arguments: list[str]) -> Any:
    """The parameters that llama-server makes of its arguments, None when it refuses them and has said why."""
    import xllamacpp
    import xllamacpp.xllamacpp as library

    parse = ctypes.PyDLL(library.__file__)[_PARSE]
    parse.restype = ctypes.c_bool
    parse.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p), ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    texts = [b"llama-server", *(argument.encode() for argument in arguments)]
    given = (ctypes.c_char_p * (len(texts) + 1))(*texts, None)
    params = xllamacpp.CommonParams()
    return params if parse(len(texts), given, id(params) + _HEAD, _SERVER, None) else None


def main() -> None:
    for argument in sys.argv[1:]:
        if argument in REFUSED:
            print(f"error: invalid argument: {argument}", file=sys.stderr, flush=True)
            sys.exit(1)
    params = parsed(sys.argv[1:])
    if params is None:
        sys.exit(1)
    import xllamacpp

    params.port = 0
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        print(f" E {error}", file=sys.stderr, flush=True)
        os._exit(1)
    print(f"listening on {server.listening_address}", file=sys.stderr, flush=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
