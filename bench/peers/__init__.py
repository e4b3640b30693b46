"""Corral beside nginx, a router in Rust and LiteLLM: the same work, on the same core, in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench.frame import Result, upstream
from bench.peers import phases, programs, report
from bench.peers.clients import MODEL
from bench.peers.cores import Cores, divided
from bench.peers.installing import NotInstalled
from bench.peers.phases import Contestant, Figures, Plan
from bench.peers.report import DIRECT, OWN, PROVIDER, Comparison

_IDLE_SECONDS = 3.0
_PEERS: dict[str, Callable[[int, Path], programs.Setup]] = {
    "nginx": programs.nginx,
    "vllm-router": programs.router,
    "Corral": programs.corral,
    "LiteLLM": programs.litellm,
}


class _Others:
    """How much of the machine was used by what does not belong to the comparison."""

    def __init__(self) -> None:
        self._began, self._busy, self._own = time.monotonic(), _busy(), _own()

    def share(self) -> float:
        """Since the beginning, 0 to 1."""
        passed = (time.monotonic() - self._began) * (psutil.cpu_count() or 1)
        return max(0.0, (_busy() - self._busy - (_own() - self._own)) / passed)


def _busy() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def _own() -> float:
    own = psutil.Process()
    return float(sum(sum(process.cpu_times()[:4]) for process in (own, *own.children(recursive=True))))


def run(*, quick: bool) -> list[Result]:
    """Starts all that can be had, measures, prints the table; a full run writes its section of docs/benchmarks.md."""
    plan = phases.QUICK if quick else phases.FULL
    with ExitStack() as stack:
        cores = stack.enter_context(divided())
        port = stack.enter_context(upstream())
        missing, contestants = _started(stack, cores, port)
        told = _measured(contestants, plan, Contestant(DIRECT, port, MODEL, None), missing, cores)
    print(report.printed(told), flush=True)
    if not quick:
        report.write(told)
    return report.results(told)


def _started(stack: ExitStack, cores: Cores, port: int) -> tuple[dict[str, str], list[Contestant]]:
    missing: dict[str, str] = {}
    contestants: list[Contestant] = []
    for name, make in _PEERS.items():
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="corral-bench-")))
        try:
            program = stack.enter_context(programs.running(make(port, folder), folder, cores))
        except (NotInstalled, programs.NotStarted) as error:
            if name == "Corral":
                raise
            missing[name] = f"{'not installed' if isinstance(error, NotInstalled) else 'does not start'}: {error}"
            print(f"{name}: {missing[name]}", flush=True)
            continue
        program.settle(least=_IDLE_SECONDS)
        program.idle_bytes = program.resident()
        if name == "Corral":
            contestants.append(Contestant(OWN, program.port, MODEL, program))
            contestants.append(Contestant(PROVIDER, program.port, programs.ELSEWHERE, program))
        else:
            contestants.append(Contestant(name, program.port, MODEL, program))
    return missing, contestants


def _measured(
    contestants: list[Contestant], plan: Plan, direct: Contestant, missing: dict[str, str], cores: Cores
) -> Comparison:
    everybody = [direct, *contestants]
    figures = {one.name: Figures() for one in everybody}
    phases.warm(everybody, 1.5)
    others = _Others()
    for phase, who in (
        (phases.whole_answers, everybody),
        (phases.fast_streams, contestants),
        (phases.paced_streams, contestants),
        (phases.first_content, everybody),
        (phases.many_streams, [one for one in contestants if one.name != PROVIDER]),
    ):
        began = time.monotonic()
        phase(who, plan, figures)
        print(f"{phase.__name__.replace('_', ' ')}: {time.monotonic() - began:.0f} s", flush=True)
    bound = "servers and load on a core each" if cores.servers is not None else "processes not bound to cores"
    return Comparison(contestants, figures, missing, others.share(), bound)
