"""The programs that are compared, each as a person would set it up for this work, all in front of the same upstream."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.frame import ROOT, SLOTS
from bench.peers import installing
from bench.peers.clients import KEY, MODEL, asked
from bench.peers.cores import Cores
from corral.version import __version__

ELSEWHERE = "elsewhere"
"""Corral's route to the upstream as a provider with a key; `MODEL` is the one to it as an own engine."""
_START_SECONDS = 120.0


class NotStarted(Exception):
    """A program that gave no answer; the message has the end of its output."""


@dataclass(slots=True)
class Program:
    """One program with all its processes."""

    name: str
    version: str
    process: subprocess.Popen[bytes]
    port: int
    start_seconds: float = 0.0
    idle_bytes: int = 0

    def tree(self) -> list[psutil.Process]:
        """The process and all that come from it."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """Processor time of the tree so far, with that of children that have ended."""
        used = 0.0
        for process in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used += times.user + times.system + times.children_user + times.children_system
        return used

    def resident(self) -> int:
        """Resident bytes of the tree."""
        total = 0
        for process in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total

    def settle(self, least: float = 1.5, most: float = 15.0) -> None:
        """Waits until it has nothing more to do: what it does behind its answers counts too, and must not disturb others."""
        began = time.monotonic()
        used = self.cpu_seconds()
        while (passed := time.monotonic() - began) < most:
            time.sleep(0.25)
            now = self.cpu_seconds()
            if passed >= least and now - used < 0.03:
                return
            used = now


@dataclass(frozen=True, slots=True)
class Setup:
    """How a program is started: `command` and `environ` for a port, in a folder of its own."""

    name: str
    version: str
    command: Sequence[str]
    port: int
    environ: Mapping[str, str]


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_NGINX = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 8192; }}
http {{
  access_log {folder}/access.log combined;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  client_body_buffer_size 64k;
  keepalive_requests 1000000;
  limit_req_zone $http_authorization zone=requests:1m rate=60000r/s;
  upstream models {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /v1/ {{
      if ($http_authorization != "Bearer {key}") {{ return 401; }}
      limit_req zone=requests burst=60000 nodelay;
      proxy_pass http://models;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer provider-key";
      proxy_buffering off;
      proxy_read_timeout 300s;
    }}
  }}
}}
"""


def nginx(upstream: int, folder: Path) -> Setup:
    """A reverse proxy with a key, a rate limit and an access log. Raises NotInstalled."""
    found, port = installing.nginx(), free_port()
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, upstream=upstream, port=port, key=KEY))
    # Started by root it works as nobody, who must reach its folder.
    folder.chmod(0o755)
    command = [str(found.path), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    return Setup("nginx", found.version, command, port, {})


def router(upstream: int, folder: Path) -> Setup:
    """vLLM's router, written in Rust: balancing, breakers, retries, request log. Raises NotInstalled."""
    found, port = installing.from_pypi("bench-router", "vllm-router", "vllm-router"), free_port()
    command = [
        str(found.path),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--worker-urls",
        f"http://127.0.0.1:{upstream}",
    ]
    command += [
        "--policy",
        "round_robin",
        "--prometheus-port",
        str(free_port()),
        "--worker-startup-check-interval",
        "1",
    ]
    return Setup("vllm-router", found.version, command, port, {"HF_HUB_OFFLINE": "1"})


_LITELLM = """
model_list:
  - model_name: {model}
    litellm_params: {{model: openai/{model}, api_base: "http://127.0.0.1:{upstream}/v1", api_key: provider-key, rpm: 10000000, tpm: 1000000000}}
general_settings: {{master_key: {key}}}
litellm_settings: {{telemetry: false}}
"""


def litellm(upstream: int, folder: Path) -> Setup:
    """LiteLLM's proxy with its master key, one worker, without a database. Raises NotInstalled."""
    found, port = installing.from_pypi("bench-litellm", "litellm", "litellm"), free_port()
    (folder / "config.yaml").write_text(_LITELLM.format(model=MODEL, upstream=upstream, key=KEY))
    command = [str(found.path), "--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    # What it would load from the network is in its package too.
    environ = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "HF_HUB_OFFLINE": "1",
        "DO_NOT_TRACK": "1",
    }
    return Setup("LiteLLM", found.version, [*command, "--num_workers", "1"], port, environ)


_CORRAL = """
[engines.own]
url = "http://127.0.0.1:{upstream}"
slots = {slots}

[providers.{elsewhere}]
kind = "compatible"
base_url = "http://127.0.0.1:{upstream}/v1"
api_key_env = "BENCH_PROVIDER_KEY"
models = [{{ name = "{model}", prices = {{ input = 0.5, output = 1.5 }} }}]

[routes.{model}]
candidates = ["local/own", "{elsewhere}/{model}"]
strategy = "local_first"
spill_queue = 256

[routes.{elsewhere}]
candidates = ["{elsewhere}/{model}", "local/own"]

[[limits]]
scope = "user"
subject = "*"
requests_per_minute = 10000000
tokens_per_minute = 10000000000
concurrent = 10000

[[limits]]
scope = "provider"
subject = "{elsewhere}"
budget_day = 100000
"""


def corral(upstream: int, folder: Path) -> Setup:
    """Corral with a provider's key, limits, a budget, routes with two candidates, usage and its log."""
    port = free_port()
    written = _CORRAL.format(upstream=upstream, slots=SLOTS, model=MODEL, elsewhere=ELSEWHERE)
    (folder / "corral.toml").write_text(written)
    command = [str(ROOT / ".venv" / "bin" / "corral"), "serve", "--port", str(port), "--data", str(folder)]
    return Setup("Corral", __version__, command, port, {"BENCH_PROVIDER_KEY": "provider-key"})


@contextlib.contextmanager
def running(setup: Setup, folder: Path, cores: Cores) -> Iterator[Program]:
    """Starts a program on the servers' core and waits for its first answer. Raises NotStarted when there is none."""
    with (folder / "output.log").open("ab") as output, cores.for_servers():
        began = time.monotonic()
        process = subprocess.Popen(
            setup.command, cwd=folder, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
            env={**os.environ, **setup.environ},
        )  # fmt: skip
    program = Program(setup.name, setup.version, process, setup.port)
    try:
        _first_answer(program, folder)
        program.start_seconds = time.monotonic() - began
        yield program
    finally:
        _end(program)


def _first_answer(program: Program, folder: Path) -> None:
    url, deadline, said = f"http://127.0.0.1:{program.port}/v1/chat/completions", time.monotonic() + _START_SECONDS, ""
    head = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
    while time.monotonic() < deadline and program.process.poll() is None:
        request = urllib.request.Request(url, asked(MODEL, stream=False), head)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                answer.read()
            return
        except urllib.error.HTTPError as error:
            said = f"{error.code} {error.read()[:300]!r}"
        except OSError as error:
            said = str(error)
        time.sleep(0.01)
    log = " ".join((folder / "output.log").read_text(errors="replace").split())[-400:]
    raise NotStarted(f"it gave no answer ({said}): {log}")


def _end(program: Program) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        tree = program.tree()
        program.process.terminate()
        _, alive = psutil.wait_procs(tree, timeout=10)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    program.process.wait(10)
