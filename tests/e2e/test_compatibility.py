"""What the page says about this browser, the models and the server, and the report that it gives."""

from __future__ import annotations

import json

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Watch
from tests.support.server import Server


def test_the_browser_the_models_and_the_server_are_judged(watch: Watch, server: Server) -> None:
    context = watch.context(server.url, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto("/compatibility")
    for name in ("wasm", "simd", "isolation", "jspi", "opfs"):
        expect(page.get_by_test_id(f"check-{name}")).to_have_attribute("data-level", "ok")
    threads = page.evaluate("navigator.hardwareConcurrency")
    expect(page.get_by_test_id("check-threads")).to_contain_text(f"{threads} of {threads}")
    # No graphics card here: what the page says of it must be what the browser says.
    adapter = page.evaluate("navigator.gpu ? navigator.gpu.requestAdapter().then(a => !!a) : false")
    expect(page.get_by_test_id("check-webgpu")).to_contain_text("adapter" if adapter else "No adapter")
    # A worker has really asked for the memory: a browser of 64 bits gives all that can be addressed.
    expect(page.get_by_test_id("check-reserve")).to_contain_text("4.3 GB")
    expect(page.get_by_test_id("verdict-fits")).to_contain_text("cria")
    offered = {model["name"]: model for model in server.ask("GET", "/api/device/models")[1]["models"]}
    machine = server.ask("GET", "/api/hardware")[1]
    expect(page.get_by_test_id("check-processor")).to_contain_text(machine["processor"] or machine["architecture"])

    _press(page, "Copy as JSON")
    report = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert report["capabilities"]["isolated"] is True
    assert {row["name"]: row["bytes"] for row in report["models"]} == {n: m["bytes"] for n, m in offered.items()}
    assert report["server"]["memory"]["total"] == machine["memory"]["total"]
    _press(page, "Copy report")
    text = page.evaluate("navigator.clipboard.readText()")
    assert all(f"{check['name']}: {check['value']}" in text for check in report["checks"])


def _press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_have_count(0)
