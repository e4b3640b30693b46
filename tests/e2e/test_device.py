"""Models kept in the browser: downloading, pausing, going on after a reload, what is wrong and what there is no room for, two tabs."""

from __future__ import annotations

import hashlib
import os
import re
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Error, Locator, Page, Route, expect

from corral.app.answering import INCLUDED
from tests.e2e.actions import DEADLINE, until
from tests.e2e.conftest import LOST, Watch
from tests.support.server import SCRIPTED, Server

pytestmark = pytest.mark.alone

WHOLE = INCLUDED.read_bytes()
SIZE = f"{len(WHOLE) / 1e6:.1f} MB"
FILES = re.compile(r"/api/device/models/[^/]+/files/")
FIRST = 1024 * 1024
"""Bytes of the first range."""
STORED = """async () => {
  const sums = [];
  try {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('corral-models');
    for await (const model of folder.values()) for await (const part of model.values()) {
      const data = await (await part.getFile()).arrayBuffer();
      const sum = new Uint8Array(await crypto.subtle.digest('SHA-256', data));
      sums.push([...sum].map(byte => byte.toString(16).padStart(2, '0')).join(''));
    }
  } catch (error) {
    return [error.name];  // it is being written or removed just now
  }
  return sums;
}"""


class Gate:
    """Stands between the pages and the model files: lets some requests through and holds the others."""

    def __init__(self, context: BrowserContext, allowed: int) -> None:
        self.ranges: list[tuple[int, int]] = []
        self.askers: list[Page] = []
        self._allowed = allowed
        self._held: list[Route] = []
        context.route(FILES, self._meet)

    def open(self) -> None:
        """Lets through what is held, and all that comes."""
        self._allowed = 1_000
        held, self._held = self._held, []
        for route in held:
            try:
                route.continue_()
            except Error:
                continue

    def _meet(self, route: Route) -> None:
        first, last = route.request.headers["range"].removeprefix("bytes=").split("-")
        self.ranges.append((int(first), int(last)))
        self.askers.append(route.request.frame.page)
        self._allowed -= 1
        if self._allowed >= 0:
            route.continue_()
        else:
            self._held.append(route)


def row(page: Page, model: str = "cria") -> Locator:
    """The included model, or another."""
    return page.get_by_test_id("device-model").filter(has_text=model)


def act(page: Page, label: str, model: str = "cria") -> None:
    """Clicks a button of the included model, or of another."""
    page.get_by_role("button", name=f"{label} {model}", exact=True).click()


def ask_for_digest(server: Server, name: str) -> None:
    """Waits until the server knows the sum of a model as it is now."""
    deadline = time.monotonic() + DEADLINE / 1000
    while True:
        offer = next(one for one in server.ask("GET", "/api/device/models")[1]["models"] if one["id"] == name)
        if offer["parts"][0]["sha256"]:
            return
        assert time.monotonic() < deadline, "the sum was not told"
        path = f"{server.url}/api/device/models/{name}/files/0?v={offer['version']}"
        urllib.request.urlopen(urllib.request.Request(path, method="HEAD"), timeout=30).close()
        time.sleep(0.05)


@pytest.fixture
def context(watch: Watch, server: Server) -> BrowserContext:
    """A fresh profile."""
    return watch.context(server.url)


def opened(context: BrowserContext) -> Page:
    """A tab on the page."""
    page = context.new_page()
    page.goto("/device")
    return page


def test_a_download_is_paused_outlives_a_reload_and_is_verified(
    context: BrowserContext, watch: Watch, shoot: Callable[[Page, str], None]
) -> None:
    gate, page = Gate(context, allowed=1), opened(context)
    expect(row(page)).to_contain_text(f"{SIZE} to download")
    act(page, "Download")
    expect(row(page)).to_contain_text(f"1.0 MB of {SIZE}")
    part = 100 * FIRST // len(WHOLE)
    expect(row(page).get_by_role("progressbar", name=f"cria: {part} %")).to_be_visible()
    until(page, lambda: len(gate.ranges) == 2, "asking for the second range")
    shoot(page, "device-downloading")
    act(page, "Pause")
    expect(row(page)).to_contain_text(f"Paused · 1.0 MB of {SIZE}")
    page.reload()
    expect(row(page)).to_contain_text(f"Paused · 1.0 MB of {SIZE}")
    gate.open()
    gate.ranges.clear()
    act(page, "Resume")
    expect(row(page)).to_contain_text(f"On this device · {SIZE} · checksum verified")
    assert gate.ranges[0][0] == FIRST
    assert page.evaluate(STORED) == [hashlib.sha256(WHOLE).hexdigest()]
    expect(page.get_by_role("region", name="Storage")).to_contain_text(f"Models {SIZE}")
    shoot(page, "device-stored")

    # Without the network what is stored is still shown.
    watch.allowed.append(LOST)
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_role("heading", name="Settings", level=1)).to_be_visible()
    context.set_offline(True)
    page.get_by_role("link", name="On this device").click()
    expect(row(page)).to_contain_text("On this device")
    context.set_offline(False)

    act(page, "Remove")
    expect(page.get_by_role("status").filter(has_text="costs")).to_contain_text(f"costs {SIZE} of download")
    page.get_by_role("button", name="Undo").click()
    expect(row(page)).to_contain_text("On this device")
    act(page, "Remove")
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="On this device").click()
    expect(row(page)).to_contain_text(f"{SIZE} to download")
    until(page, lambda: page.evaluate(STORED) == [], "removing the file")


def test_what_was_changed_on_the_way_is_refused(context: BrowserContext) -> None:
    def spoil(route: Route) -> None:
        answer = route.fetch()
        body = bytearray(answer.body())
        body[len(body) // 2] ^= 1
        route.fulfill(response=answer, body=bytes(body))

    context.route(FILES, spoil)
    page = opened(context)
    act(page, "Download")
    expect(row(page).get_by_role("alert")).to_contain_text("another checksum than the server tells")
    expect(page.get_by_role("button", name="Fetch it again cria")).to_be_visible()
    page.reload()
    expect(row(page)).not_to_contain_text("On this device")
    context.unroute(FILES)
    act(page, "Fetch it again")
    expect(row(page)).to_contain_text("checksum verified")


def test_when_there_is_no_room_nothing_is_lost(context: BrowserContext, server: Server) -> None:
    gate, page = Gate(context, allowed=1), opened(context)
    chromium = context.new_cdp_session(page)

    def quota(**size: Any) -> None:
        chromium.send("Storage.overrideQuotaForOrigin", {"origin": server.url, **size})

    act(page, "Download")
    until(page, lambda: len(gate.ranges) == 2, "asking for the second range")
    quota(quotaSize=1_200_000)
    gate.open()
    expect(row(page).get_by_role("alert")).to_contain_text("no more room")
    expect(row(page)).to_contain_text(re.compile(rf"Stopped · [1-3]\.\d MB of {SIZE}"))
    quota()
    gate.ranges.clear()
    act(page, "Try again")
    expect(row(page)).to_contain_text("checksum verified")
    assert gate.ranges[0][0] >= FIRST
    assert page.evaluate(STORED) == [hashlib.sha256(WHOLE).hexdigest()]


def test_two_tabs_download_once_and_one_goes_on_for_the_other(context: BrowserContext) -> None:
    gate = Gate(context, allowed=1)
    one, two = opened(context), opened(context)
    act(one, "Download")
    expect(row(two)).to_contain_text(f"Downloading · 1.0 MB of {SIZE}")
    act(two, "Pause")
    expect(row(one)).to_contain_text("Paused")
    act(one, "Resume")
    expect(row(two)).to_contain_text("Downloading")
    until(two, lambda: len(gate.ranges) == 3, "asking again after the pause")
    # Whichever of them has taken it up is closed in the middle.
    gate.askers[2].close()
    left = two if gate.askers[2] == one else one
    until(left, lambda: len(gate.ranges) == 4, "going on in the other tab")
    gate.open()
    expect(row(left)).to_contain_text("checksum verified")
    # The range that was given up is asked for again, and nothing else twice.
    firsts = [first for first, _ in gate.ranges]
    again = len(firsts) - firsts[::-1].index(FIRST) - 1
    assert [firsts[0], *set(firsts[1:again])] == [0, FIRST], gate.ranges
    rest = gate.ranges[again:]
    assert [last + 1 for _, last in rest] == [*(first for first, _ in rest[1:]), len(WHOLE)]
    assert left.evaluate(STORED) == [hashlib.sha256(WHOLE).hexdigest()]


def test_another_version_is_told_and_taken_only_when_it_is_whole(context: BrowserContext, server: Server) -> None:
    file, demo = server.data / "models" / "corral-demo.gguf", "corral-demo"
    page = opened(context)
    act(page, "Download", demo)
    expect(row(page, demo)).to_contain_text("checksum verified")
    # The same content with another date is the same model: nothing is downloaded.
    gate = Gate(context, allowed=0)
    os.utime(file, ns=(1, 1))
    server.ask("POST", "/api/llama-server/rescan")
    ask_for_digest(server, "corral-demo")
    page.reload()
    expect(row(page, demo)).to_contain_text("checksum verified")
    expect(row(page, demo)).not_to_contain_text("Newer version")

    changed = SCRIPTED.read_bytes() + bytes(1_000_000)
    file.write_bytes(changed)
    server.ask("POST", "/api/llama-server/rescan")
    page.reload()
    expect(row(page, demo)).to_contain_text("Newer version on the server")
    act(page, "Update", demo)
    until(page, lambda: gate.ranges, "asking for the new version")
    expect(row(page, demo)).to_contain_text("Older version in use")
    assert page.evaluate(STORED) == [hashlib.sha256(SCRIPTED.read_bytes()).hexdigest()]
    # It changes once more in the middle: the download begins anew with what there is now.
    changed += b"more"
    file.write_bytes(changed)
    gate.open()
    expect(row(page, demo)).to_contain_text("checksum verified")
    newest = [hashlib.sha256(changed).hexdigest()]
    until(page, lambda: page.evaluate(STORED) == newest, "taking the newest version")
    expect(row(page, demo)).to_contain_text("checksum verified")
    expect(row(page, demo)).not_to_contain_text(re.compile("version", re.IGNORECASE))


def test_what_the_browser_has_removed_is_told(context: BrowserContext) -> None:
    page = opened(context)
    act(page, "Download")
    expect(row(page)).to_contain_text("checksum verified")
    page.evaluate(
        "navigator.storage.getDirectory().then(root => root.removeEntry('corral-models', { recursive: true }))"
    )
    page.reload()
    expect(row(page).get_by_role("alert")).to_contain_text("The browser has removed this model")
    act(page, "Fetch it again")
    expect(row(page)).to_contain_text("checksum verified")


def test_without_a_network_what_is_stored_is_there_after_a_reload(watch: Watch, server: Server) -> None:
    watch.allowed.append(LOST)
    context = watch.context(server.url, service_workers="allow")
    page = opened(context)
    act(page, "Download")
    expect(row(page)).to_contain_text("checksum verified")
    until(page, lambda: page.evaluate("navigator.serviceWorker.controller?.state === 'activated'"), "taking charge")
    context.set_offline(True)
    page.reload()
    expect(page.get_by_role("status", name="Offline")).to_be_visible()
    expect(row(page)).to_contain_text("On this device")
    act(page, "Remove")
    page.get_by_role("button", name="Undo").click()
    expect(row(page)).to_contain_text("On this device")
