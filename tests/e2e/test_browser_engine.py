"""The engine in the browser, for real: WebAssembly, workers, tabs. It is driven as pages do, through its own chunk of the build."""

from __future__ import annotations

import json
import re
import shutil
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, Worker, expect
from tools.scripted_model import HOURS

from tests.e2e.actions import DEADLINE
from tests.e2e.conftest import Watch
from tests.support.server import ROOT, Server

pytestmark = pytest.mark.alone

ASSETS = ROOT / "src" / "corral" / "web_dist" / "assets"
STORY = ("A day at the corral.", "So the long day ended, and nothing of it was lost.")
SCHEMA = {
    "type": "object",
    "properties": {"animal": {"enum": ["horse", "cow"]}, "legs": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["animal", "legs"],
    "additionalProperties": False,
}
LONG_TASK = 100.0
"""Milliseconds that the page may be busy at once while a model answers."""
ANSWERS = 3

DRIVER = """async ({ chunk, webgpu = "none", wish, patience, compiled }) => {
  // The names of a chunk's exports are not for keeps.
  const create = Object.values(await import(chunk)).find((part) => /BroadcastChannel/.test(String(part)));
  const threads = crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  const capabilities = async () => ({ webgpu, threads, wasm: true, simd: true, memory64: true, phone: false });
  const { models } = await (await fetch("/api/device/models")).json();
  const open = async (name) => {
    const { id, version, parts } = models.find((one) => one.name === name || one.id === name);
    return Promise.all(parts.map(async (_part, index) => {
      const answer = await fetch(`/api/device/models/${id}/files/${index}?v=${version}`);
      return answer.blob();
    }));
  };
  const made = create({ files: { open }, capabilities, wish, patience, compiled });
  const kinds = [];
  made.subscribe(({ kind }) => kinds.at(-1) === kind || kinds.push(kind));
  const tabs = new BroadcastChannel("test");
  tabs.onmessage = () => {
    // Leaving takes time, in which a quick model ends its answer; from here on nobody hears this tab.
    BroadcastChannel.prototype.postMessage = () => {};
    location.replace("about:blank");
  };
  globalThis.driver = {
    engine: made, kinds, said: "", longest: 0, stop: null, answer: null, waits: [],
    until(text) {
      if (this.said.includes(text)) return true;
      return new Promise((tell) => this.waits.push({ text, tell }));
    },
    ask(request, act) {
      this.said = "";
      this.stop = new AbortController();
      const hear = (text) => {
        this.said += text;
        for (const { text: wanted, tell } of this.waits) if (this.said.includes(wanted)) tell(true);
        if (act && this.said.includes(act.after)) {
          if (act.what === "stop") this.stop.abort();
          else tabs.postMessage("leave");
        }
      };
      this.answer = made.generate({ ...request, signal: this.stop.signal }, hear)
        .then((answer) => ({ answer, said: this.said }), ({ code, message, recoverable }) => ({ code, message, recoverable }));
      return true;
    },
  };
  const tasks = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) driver.longest = Math.max(driver.longest, duration);
  });
  tasks.observe({ type: "longtask" });
}"""


def _chunk(name: str) -> str:
    (path,) = (path for path in ASSETS.glob(f"{name}-*.js") if re.fullmatch(rf"{name}-[\w-]{{8}}\.js", path.name))
    return f"/assets/{path.name}"


def _drive(page: Page, **more: Any) -> Page:
    page.evaluate(DRIVER, {"chunk": _chunk("engine"), **more})
    return page


def _begin(page: Page, request: dict[str, Any], act: dict[str, str] | None = None) -> None:
    page.evaluate("([request, act]) => driver.ask(request, act)", [request, act])


def _end(page: Page) -> dict[str, Any]:
    return dict(page.evaluate("driver.answer"))


def _ask(page: Page, request: dict[str, Any], act: dict[str, str] | None = None) -> dict[str, Any]:
    _begin(page, request, act)
    return _end(page)


def _request(text: str, model: str = "cria", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def _story() -> dict[str, Any]:
    return _request("a long story", "corral-demo", sampling={"temperature": 0})


def _whole(text: str) -> None:
    """The story with each of its hours once, so nothing lost and nothing doubled."""
    assert (text[: len(STORY[0])], text[-len(STORY[1]) :]) == STORY
    for hour in range(1, HOURS + 1):
        assert text.count(f"Hour {hour}:") == 1, hour


def _inference(page: Page) -> Worker:
    """The newest: one that was ended may be listed a little longer."""
    return [worker for worker in page.workers if "inference" in worker.url][-1]


@pytest.fixture
def watch(watch: Watch) -> Watch:
    """Chromium warns by itself when a page asks for WebGPU on a machine without a graphics card."""
    watch.allowed.append(re.compile(r"^No available adapters\.$"))
    return watch


@pytest.mark.parametrize("threads", [1, 2])
def test_the_included_model_answers_in_webassembly(watch: Watch, server: Server, threads: int) -> None:
    page = _drive(watch.page(server.url), wish={"threads": threads})
    if not page.evaluate("crossOriginIsolated && navigator.hardwareConcurrency > 1") and threads > 1:
        pytest.skip("one processor")
    page.evaluate("driver.engine.load('cria')")
    hello = _request("Hello!", sampling={"temperature": 0, "maxTokens": 24})
    told = _ask(page, hello)
    answer = told["answer"]
    assert answer["text"] == told["said"] != ""
    stats = answer["stats"]
    assert (stats["backend"], stats["threads"]) == ("wasm", threads)
    assert stats["promptTokens"] > 3
    assert stats["tokensPerSecond"] > 0
    assert 0 < stats["tokens"] <= 24
    # The same again, word for word, and the page stays free. (A task is as long as the clock says: on a busy machine one may be
    # put off, though not in every answer.)
    longest = []
    for _ in range(ANSWERS):
        page.evaluate("driver.longest = 0")
        assert _ask(page, hello)["said"] == told["said"]
        longest.append(page.evaluate("new Promise((tell) => setTimeout(() => tell(driver.longest), 50))"))
    assert min(longest) < LONG_TASK, longest


def test_schemas_stops_and_refusals(watch: Watch, server: Server) -> None:
    page = _drive(watch.page(server.url), wish={"threads": 1})
    formed = _ask(page, _request("Tell me of an animal.", schema=SCHEMA, sampling={"maxTokens": 60, "seed": 4}))
    value = json.loads(formed["said"])
    assert set(value) == {"animal", "legs"}
    assert value["animal"] in ("horse", "cow")
    cut = _ask(page, _request("Tell me of an animal.", sampling={"maxTokens": 2}))
    assert cut["answer"]["stop"] == "length"
    stopped = _ask(page, _story(), {"after": "Hour 2:", "what": "stop"})
    assert stopped["answer"]["stop"] == "aborted"
    assert STORY[1] not in stopped["said"] == stopped["answer"]["text"]
    too_long = _ask(page, _request("horse " * 5_000))
    assert too_long["code"] == "device_context_exceeded"
    refused = _ask(page, _request("Hello", sampling={"temperature": 9}))
    assert refused["code"] == "device_request_invalid"
    odd = _ask(page, _request("Hello", schema={"type": "no such type"}))
    assert (odd["code"], odd["recoverable"]) == ("device_schema_unsupported", True)
    # None of it has broken anything.
    after = _ask(page, _request("Hello", sampling={"maxTokens": 5}))
    assert after.get("said"), after
    assert len([worker for worker in page.workers if "inference" in worker.url]) == 1


def test_a_worker_that_dies_in_mid_answer_is_begun_anew(watch: Watch, server: Server) -> None:
    page = _drive(watch.page(server.url), wish={"threads": 1}, patience={"load": 60_000, "answer": 5_000})
    page.evaluate("driver.engine.load('corral-demo')")
    page.evaluate("driver.kinds.length = 0")
    _begin(page, _story())
    page.evaluate("driver.until('Hour 2:')")
    _inference(page).evaluate("self.close()")
    told = _end(page)
    assert page.evaluate("driver.kinds") == ["busy", "loading", "ready", "busy", "ready"]
    _whole(told["said"])
    assert told["answer"]["text"] == told["said"]

    # One that hangs, so that only the time limit notices.
    _begin(page, _story())
    page.evaluate("driver.until('Hour 2:')")
    (library,) = (worker for worker in page.workers if worker.url.startswith("blob:"))
    library.evaluate("void setTimeout(() => { for (;;); })")
    _whole(_end(page)["said"])

    # An answer in a form has no way on, and says so.
    long = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "minItems": 400, "maxItems": 400}
    _begin(page, _request("Numbers.", schema=long))
    page.evaluate("driver.until('[')")
    _inference(page).evaluate("self.close()")
    assert _end(page)["code"] == "device_worker_lost"


def _engine_workers(page: Page) -> int:
    """The inference worker and that of its library, which comes from a blob; the page has others for its storage."""
    return len([worker for worker in page.workers if worker.url.startswith("blob:") or "inference" in worker.url])


def test_two_tabs_share_one_model_and_the_other_takes_over(watch: Watch, server: Server) -> None:
    first = _drive(watch.page(server.url), wish={"threads": 1})
    second = first.context.new_page()
    second.goto("/")
    _drive(second, wish={"threads": 1})
    assert _ask(second, _request("Hello", "corral-demo", sampling={"maxTokens": 4}))["said"]
    assert first.evaluate("driver.engine.state()") == {"kind": "ready", "model": "corral-demo", "leader": True}
    assert second.evaluate("driver.engine.state().leader") is False
    assert [_engine_workers(page) for page in (first, second)] == [2, 0]
    stopped = _ask(second, _story(), {"after": "Hour 2:", "what": "stop"})
    assert stopped["answer"]["stop"] == "aborted"

    told = _ask(second, _story(), {"after": "Hour 3:", "what": "leave"})
    first.wait_for_url("about:blank")
    _whole(told["said"])
    assert told["answer"]["text"] == told["said"]
    assert second.evaluate("driver.engine.state()") == {"kind": "ready", "model": "corral-demo", "leader": True}
    assert _engine_workers(second) == 2


COMPILED = {"id": "compiled", "url": "/api/nowhere/", "library": "/api/nowhere.wasm"}


def test_a_compiled_model_asks_for_a_graphics_card_first(watch: Watch, server: Server) -> None:
    page = _drive(watch.page(server.url), webgpu="ready", compiled=[COMPILED])
    with page.expect_event("worker"):
        _begin(page, _request("Hello", "compiled"))
    assert _end(page)["code"] == "device_gpu_missing"


def test_an_adapter_that_the_processor_plays_is_not_used(browser: Browser, server: Server) -> None:
    """SwiftShader's: seen, and left alone, for it is slower than the processor by itself."""
    of_the_system = shutil.which("chromium") or shutil.which("google-chrome")
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
    seeing = browser.browser_type.launch(executable_path=of_the_system, args=flags)
    try:
        page = seeing.new_page()
        page.goto(f"{server.url}/compatibility")
        assert page.evaluate("navigator.gpu.requestAdapter().then(Boolean)")
        page.get_by_role("button", name="Run self-test").click()
        result = page.get_by_test_id("self-test-result")
        expect(result).to_contain_text("WebAssembly", timeout=DEADLINE)
        # With an adapter the library for compiled models is loaded, and says which file it misses.
        page.goto(server.url)
        _drive(page, webgpu="ready", compiled=[COMPILED])
        told = _ask(page, _request("Hello", "compiled"))
        assert told["code"] == "device_load_failed"
        assert "nowhere" in told["message"] or "404" in told["message"]
    finally:
        seeing.close()


def test_a_browser_without_jspi_runs_the_build_for_it(watch: Watch, server: Server) -> None:
    """As in Safari: the library's second build, from our own server (a request elsewhere fails the test)."""
    page = watch.page(server.url)

    def older(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=f"delete WebAssembly.Suspending;\n{answer.text()}")

    page.route("**/inference.worker-*.js", older)
    with page.expect_request(lambda request: "/wllama-" in request.url and request.url.endswith(".wasm")) as asked:
        _drive(page, wish={"threads": 1})
        told = _ask(page, _story())
    _whole(told["said"])
    compat = max(ASSETS.glob("wllama-*.wasm"), key=lambda path: path.stat().st_size)
    assert asked.value.url.endswith(compat.name)


def test_the_self_test_shows_what_this_device_does(watch: Watch, server: Server) -> None:
    page = watch.page(server.url)
    page.goto("/compatibility")
    page.get_by_role("button", name="Run self-test").click()
    result = page.get_by_test_id("self-test-result")
    expect(result).to_be_visible()
    report = json.loads(str(result.get_attribute("data-report")))
    assert report["backend"] == "wasm"
    assert report["isolated"] is True
    assert report["schema"] is True
    assert report["loadMs"] > 0
    assert report["tokensPerSecond"] > 0
    assert report["threads"] >= 1
    expect(result).to_contain_text(f"{report['tokensPerSecond']:.1f}")
    expect(page.get_by_role("button", name="Copy self-test report")).to_be_visible()
    # It can be stopped, and then be run once more.
    page.get_by_role("button", name="Run again").click()
    page.get_by_role("button", name="Stop self-test").click()
    expect(page.get_by_role("button", name="Run self-test")).to_be_visible()
