"""The engine in the browser against the same WebAssembly in a bare page, in turns in one Chromium, and how long the page is ever busy at once."""

from __future__ import annotations

import functools
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from typing import Any

from playwright.sync_api import Page, sync_playwright

from bench.frame import ROOT, Result, corral

SHARE = 0.6
"""Of the bare page's tokens a second, what the engine must reach."""
LONG_TASK_MS = 100.0
PATIENCE_MS = 300_000
WLLAMA = ROOT / "web" / "node_modules" / "@wllama" / "wllama" / "esm"
ASSETS = ROOT / "src" / "corral" / "web_dist" / "assets"
MODEL = ROOT / "src" / "corral" / "included" / "cria.gguf"
PROMPT = "Count from zero to nine, again and again."
TOKENS = 120
DIGITS = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "minItems": 300, "maxItems": 300}
"""A form that takes many tokens, the same for both: answers of the included model are short by themselves."""

BARE = """async ([threads, prompt, schema, tokens]) => {
  const { Wllama } = await import("/wllama/index.js");
  const engine = new Wllama({ default: "/wllama/wasm/wllama.wasm" }, { suppressNativeLog: true });
  const file = await (await fetch("/model.gguf")).blob();
  await engine.loadModel([file], { n_ctx: 1024, n_batch: 128, n_ubatch: 128, n_threads: threads, n_gpu_layers: 0, n_parallel: 1 });
  globalThis.answer = async () => {
    let timings;
    await engine.createChatCompletion({
      messages: [{ role: "user", content: prompt }], max_tokens: tokens, temperature: 0, stream: true, timings_per_token: true,
      response_format: { type: "json_schema", json_schema: { name: "answer", schema } },
      onData: (chunk) => { timings = chunk.timings ?? timings; },
    });
    return { tokens: timings.predicted_n, speed: timings.predicted_per_second };
  };
}"""
OURS = """async ([threads, prompt, schema, tokens, chunk]) => {
  const create = Object.values(await import(chunk)).find((part) => /BroadcastChannel/.test(String(part)));
  const capabilities = async () => ({ webgpu: "none", threads, wasm: true, simd: true, memory64: true, phone: false });
  const { models } = await (await fetch("/api/device/models")).json();
  const { id, version } = models.find((one) => one.builtIn);
  const open = async () => [await (await fetch(`/api/device/models/${id}/files/0?v=${version}`)).blob()];
  const engine = create({ files: { open }, capabilities, wish: { threads } });
  await engine.load(id);
  globalThis.longest = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
  }).observe({ type: "longtask" });
  globalThis.answer = async () => {
    const { stats } = await engine.generate(
      { model: id, messages: [{ role: "user", content: prompt }], schema, sampling: { temperature: 0, maxTokens: tokens } }, () => {});
    return { tokens: stats.tokens, speed: stats.tokensPerSecond, first: stats.firstTokenMs };
  };
}"""


class _Bare(SimpleHTTPRequestHandler):
    """The library as its package has it, on an isolated page with nothing on it."""

    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".wasm": "application/wasm", ".js": "text/javascript"}  # noqa: RUF012

    def translate_path(self, path: str) -> str:
        """`/wllama/…` is the package, `/model.gguf` the included model; else nothing."""
        if path == "/model.gguf":
            return str(MODEL)
        return str(WLLAMA / path.removeprefix("/wllama/")) if path.startswith("/wllama/") else str(WLLAMA / "none")

    def do_GET(self) -> None:
        """Answers; `/` with an empty page."""
        if self.path != "/":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>bare</title>")

    def end_headers(self) -> None:
        """Isolates the page, as Corral does."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def _bare() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Bare))
    thread = threading.Thread(target=server.serve_forever, name="bare-page")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _chunk() -> str:
    (found,) = (path for path in ASSETS.glob("engine-*.js") if len(path.stem) == len("engine-") + 8)
    return f"/assets/{found.name}"


def _figures(threads: int, bare: Page, ours: Page, rounds: int) -> list[Result]:
    given = [threads, PROMPT, DIGITS, TOKENS]
    bare.evaluate(BARE, given)
    ours.evaluate(OURS, [*given, _chunk()])
    speeds: dict[str, list[float]] = {"bare": [], "ours": []}
    first = []
    for turn in range(rounds + 1):
        # In turns, so that both meet the same machine; the first of each only warms up.
        told = {name: page.evaluate("answer()") for name, page in (("bare", bare), ("ours", ours))}
        if told["bare"]["tokens"] != told["ours"]["tokens"]:
            raise RuntimeError(f"the answers are of different length: {told}")
        if turn:
            for name, figures in told.items():
                speeds[name].append(figures["speed"])
            first.append(told["ours"]["first"])
    name = f"in the browser, {threads} thread{'s' if threads > 1 else ''}"
    # The best of each: what else the machine does meanwhile only takes away.
    mine, theirs = max(speeds["ours"]), max(speeds["bare"])
    longest = float(ours.evaluate("longest"))
    # With as many threads as processors, which the engine never takes by itself, nothing is left for the page.
    spared = threads < (os.cpu_count() or 1)
    return [
        Result(f"{name}: tokens a second", mine, "/s", note=f"best of {rounds} answers of {TOKENS} tokens by a schema"),
        Result(f"{name}: the bare page's", theirs, "/s"),
        Result(
            f"{name}: share of the bare page's",
            mine / theirs,
            "",
            note="same wasm, in turns",
            least=SHARE if spared else None,
        ),
        Result(f"{name}: first token", median(first), "ms", note="prompt cached"),
        Result(
            f"{name}: longest task of the page", longest, "ms", LONG_TASK_MS if spared else None, "0: none over 50 ms"
        ),
    ]


def run(*, quick: bool) -> list[Result]:
    """All figures."""
    rounds = 8 if quick else 20
    results = []
    with _bare() as bare_url, corral() as server, sync_playwright() as playwright:
        for threads in (1, 2):
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
                args=["--no-sandbox", "--disable-dev-shm-usage"],
            )
            try:
                bare, ours = browser.new_page(), browser.new_page()
                for page, url in ((bare, bare_url), (ours, server.url)):
                    page.set_default_timeout(PATIENCE_MS)
                    page.goto(url)
                results += _figures(threads, bare, ours, rounds)
            finally:
                browser.close()
    return results
