"""The app's own files without a network, and the change from one version of them to the next."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.conftest import ROOT
from tests.e2e.actions import composer, online, until
from tests.e2e.conftest import LOST, Watch
from tests.support.files import FileServer
from tests.support.server import Server

BUILT = ROOT / "src" / "corral" / "web_dist"
KEPT = """async () => {
  const names = await caches.keys();
  const all = await Promise.all(names.map(async name => (await (await caches.open(name)).keys()).map(r => r.url)));
  return all.flat();
}"""


def controlled(page: Page) -> None:
    """Waits until the service worker has everything and answers for this page."""
    until(page, lambda: page.evaluate("navigator.serviceWorker.controller?.state === 'activated'"), "taking charge")


def test_the_app_opens_without_a_network_after_the_first_visit(watch: Watch, server: Server) -> None:
    watch.allowed.append(LOST)
    context = watch.context(server.url, service_workers="allow")
    page = context.new_page()
    page.goto("/")
    online(page)
    controlled(page)
    kept = page.evaluate(KEPT)
    assert f"{server.url}/" in kept
    assert all(url == f"{server.url}/" or url.startswith(f"{server.url}/assets/") for url in kept)

    context.set_offline(True)
    page.reload()
    expect(composer(page)).to_be_visible()
    expect(page.get_by_role("status", name="Offline")).to_be_visible()
    # A page whose part was never loaded before, by an address that no server has answered.
    page.goto("/compatibility")
    expect(page.get_by_test_id("check-isolation")).to_contain_text("Yes")
    expect(page.get_by_text("The server cannot be asked now.").first).to_be_visible()
    # What the server answers is never answered from a copy.
    assert page.evaluate("fetch('/api/health').then(() => 'answered', () => 'gone')") == "gone"
    assert not [url for url in page.evaluate(KEPT) if "/api/" in url]
    context.set_offline(False)
    page.goto("/")
    online(page)


@pytest.mark.parametrize("path", ["/models/some-model-2.5", "/api/health"])
def test_addresses_go_where_they_went_before(watch: Watch, server: Server, path: str) -> None:
    watch.allowed.append(re.compile(r"404 \(Not Found\)"))  # the icon that a browser wants for a page of JSON
    context = watch.context(server.url, service_workers="allow")
    page = context.new_page()
    page.goto("/")
    controlled(page)
    answer = page.goto(path)
    assert answer is not None
    assert answer.from_service_worker == path.startswith("/models/")


def test_a_new_version_is_offered_and_never_mixed_with_the_old_one(watch: Watch, tmp_path: Path) -> None:
    # There is no Corral behind these files to answer what the page asks.
    watch.allowed += [LOST, re.compile("File not found")]
    folder = tmp_path / "site"
    shutil.copytree(BUILT, folder)
    with FileServer(folder) as site:
        context = watch.context(site.url, service_workers="allow")
        page = context.new_page()
        page.goto("/")
        controlled(page)
        other = context.new_page()
        other.goto("/")
        expect(composer(other)).to_be_visible()

        publish(folder)
        page.evaluate("navigator.serviceWorker.ready.then(r => r.update())")
        offer = page.get_by_role("status").filter(has_text="A new version of Corral is ready.")
        expect(offer).to_be_visible()
        expect(edition(page)).to_have_count(0)
        # Until somebody asks for it, a reload shows the old version, whole, though its page is gone from the server.
        page.reload()
        expect(offer).to_be_visible()
        expect(edition(page)).to_have_count(0)

        offer.get_by_role("button", name="Reload").click()
        expect(edition(page)).to_have_count(1)
        stale = other.get_by_role("status").filter(has_text="Another tab runs a newer version")
        expect(stale).to_be_visible()
        # The other tab still finds its own parts.
        other.get_by_role("link", name="Compatibility").click()
        expect(other.get_by_role("heading", name="Compatibility", level=1)).to_be_visible()
        stale.get_by_role("button", name="Reload").click()
        expect(edition(other)).to_have_count(1)


def edition(page: Page) -> Locator:
    """What the page's file of the next version has and this one has not."""
    return page.locator("meta[name=edition]")


def publish(folder: Path) -> None:
    """The next version: another page, another part with another name, the old part gone."""
    page = folder / "index.html"
    text = page.read_text().replace("<head>", '<head><meta name="edition" content="Corral, the next">')
    page.write_text(text)
    worker = folder / "sw.js"
    found = re.match(r"const SHELL=(\{.*?\});\n", worker.read_text())
    assert found is not None
    shell = json.loads(found[1])
    part = next(name for name in shell["files"] if "CompatibilityPage" in name and name.endswith(".js"))
    renamed = part.replace("CompatibilityPage", "NextCompatibilityPage")
    (folder / part).rename(folder / renamed)
    shell["files"] = [renamed if name == part else name for name in shell["files"]]
    shell["version"] = "next"
    shell["page"] = hashlib.sha256(text.encode()).hexdigest()
    worker.write_text(f"const SHELL={json.dumps(shell)};\n" + worker.read_text()[found.end() :])
