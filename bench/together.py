"""Two engines that answer at the same time, over one of them alone: what engines lose by sharing the processor.

Each model lies in the folder twice. Ideally both together write as many tokens a second as one alone, which has all cores for
itself; a model with fewer threads than there are cores writes more.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.random_models import Shape, write_model

from bench.frame import ROOT, Result, start, wait_for

CRIA = ROOT / "src" / "corral" / "included" / "cria.gguf"
MIDDLE = Shape(
    layers=24, width=1024, feed_forward=2816, heads=16, vocabulary=64_000, context=2048, kind="Q4_0", tied=True
)
"""300 million parameters, 190 MB."""
LIBGOMP = {"GOMP_SPINCOUNT": "300000"}
"""What libgomp does by itself."""
NAMES = ("one", "two")


class Pair:
    """A server with the same model under two names."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = itertools.count()

    def answer(self, model: str, tokens: int) -> None:
        """One answer of so many tokens."""
        # Another prompt each time, so that nothing is known already.
        body = {"model": model, "prompt": f"{next(self._numbers)} llamas", "max_tokens": tokens, "ignore_eos": True}
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self._url}/v1/completions", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=600) as response:
            written = json.load(response)["usage"]["completion_tokens"]
        if written != tokens:
            raise RuntimeError(f"{written} tokens came, {tokens} were asked for")

    def rate(self, models: tuple[str, ...], answers: int, tokens: int) -> float:
        """Tokens a second of these models together, each with two clients."""

        def client(model: str) -> None:
            for _ in range(answers):
                self.answer(model, tokens)

        work = [threading.Thread(target=client, args=(model,)) for model in models for _ in range(2)]
        began = time.perf_counter()
        for one in work:
            one.start()
        for one in work:
            one.join()
        return len(work) * answers * tokens / (time.perf_counter() - began)


def measure(file: Path, answers: int, tokens: int, **environ: str) -> tuple[float, float]:
    """Tokens a second of one engine alone, and of two at the same time."""
    with TemporaryDirectory(prefix="corral-bench-") as folder:
        models = Path(folder) / "models"
        models.mkdir()
        for name in NAMES:
            (models / f"{name}.gguf").symlink_to(file)
        process, url = start(Path(folder), CORRAL_LOG_LEVEL="error", **environ)
        try:
            wait_for(f"{url}/readyz", process)
            pair = Pair(url)
            for name in NAMES:
                pair.answer(name, 4)
            return pair.rate(NAMES[:1], answers, tokens), pair.rate(NAMES, answers, tokens)
        finally:
            process.terminate()
            process.wait(30)


def run(*, quick: bool) -> list[Result]:
    """All figures."""
    note = f"{os.cpu_count()} cores"
    results = []
    with TemporaryDirectory(prefix="corral-bench-") as folder:
        middle = write_model(Path(folder) / "middle.gguf", MIDDLE)
        for name, file, answers, tokens in (("Cria", CRIA, 10, 96), ("190 MB", middle, 3, 16)):
            alone, both = measure(file, answers if quick else 2 * answers, tokens)
            results += [
                Result(f"two engines at once, {name}: over one alone", both / alone, "x", None, note, least=0.7),
                Result(f"the same, {name}: one alone", alone, "tokens/s"),
                Result(f"the same, {name}: two at once", both, "tokens/s"),
            ]
        # It takes its time with a few tokens, too.
        alone, both = measure(middle, 1, 8, **LIBGOMP)
    results.append(
        Result(
            "the same, 190 MB, with libgomp's own waiting: two at once", both, "tokens/s", None, f"alone {alone:.0f}"
        )
    )
    return results
