"""`corral serve`: runs the server until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

import uvicorn

from corral.app import Corral
from corral.kit.errors import StartupError
from corral.kit.http.server import ServerProtocol
from corral.settings import Sourced, environment
from corral.telemetry import LogHub, configure_logging, get_logger

PORT_EXIT = 5
GC_THRESHOLD = 10_000
"""Objects made beyond those gone, after which the collector looks at the young ones."""
SWITCH_SECONDS = 0.001
"""After so long a thread lets the others have their turn."""
_ARENA_MAX = -8
"""`M_ARENA_MAX` of glibc's malloc.h."""
_log = get_logger("corral.serve")


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: Corral decides what a signal means."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """The listening socket. Raises StartupError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        text = (
            f"Port {port} on {host} cannot be used: {error.strerror}. Choose another with --port, or stop what uses it."
        )
        raise StartupError(text, PORT_EXIT) from None
    listener.setblocking(False)
    return listener


def share_one_arena() -> None:
    """Has all threads take memory from one place, where the C library is glibc. Its usual one for each thread is for threads that
    run at the same time, which Python's do not; what each keeps free for itself is some megabytes.

    Source: mallopt(3).
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def serve(sourced: Sourced) -> None:
    """Serves until SIGTERM or SIGINT. Raises StartupError."""
    share_one_arena()
    settings = sourced.settings
    hub = configure_logging(settings.log_level, as_json=settings.log_json, background=True)
    try:
        _run(Corral(sourced, environment(), hub), hub)
    finally:
        hub.flush()


def _run(corral: Corral, hub: LogHub) -> None:
    settings = corral.settings
    listener = bind(settings.host, settings.port)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(corral, listener, hub))


def _loop_factory() -> Any:
    import uvloop

    return uvloop.new_event_loop


async def _serve(corral: Corral, listener: socket.socket, hub: LogHub) -> None:
    try:
        await corral.start()
    except BaseException:
        await corral.stop()
        listener.close()
        raise

    # What is there now stays: the collector need not walk it again and again while answers stream.
    gc.collect()
    gc.freeze()
    # What a request leaves is gone with it, by counting; the collector has to find cycles only, of which there are few.
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    gc.enable()
    # The loop must not wait long for a thread that writes to the database.
    sys.setswitchinterval(SWITCH_SECONDS)

    # Packing a list of thousands of models would hold up the loop for longer than it saves on the way to this machine.
    config = uvicorn.Config(
        corral.asgi, interface="asgi3", http=ServerProtocol, ws="wsproto", ws_per_message_deflate=False, lifespan="off", log_config=None, access_log=False, server_header=False,
        date_header=False, proxy_headers=False, timeout_keep_alive=75, h11_max_incomplete_event_size=64 * 1024,
    )  # fmt: skip
    server = _Server(config)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _signalled, stop, hub)
    port = listener.getsockname()[1]
    serving = asyncio.create_task(server.serve([listener]), name="http server")
    sys.stdout.write(f"Corral listens on http://{corral.settings.host}:{port}\n")
    sys.stdout.flush()
    stopping = asyncio.create_task(stop.wait(), name="stop signal")
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    # Agents first: their streams end, so that the HTTP server has nothing to wait for.
    await corral.stop()
    server.should_exit = True
    server.force_exit = True
    await asyncio.wait({serving}, timeout=5)


def _signalled(stop: asyncio.Event, hub: LogHub) -> None:
    if stop.is_set():
        # The second signal: leave at once. The database is safe at any moment, and engines end with us.
        hub.flush(0.2)
        os._exit(1)
    _log.info("stopping")
    stop.set()
