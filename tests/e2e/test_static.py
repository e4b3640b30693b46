"""The static build on a bare server of files: no Corral, no headers, no fallback; the model answers inside the browser."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Error, Page, expect

from tests.conftest import ROOT
from tests.e2e.actions import answers, composer, done, send, until
from tests.e2e.conftest import LOST, Watch
from tests.support.files import FileServer

pytestmark = pytest.mark.alone

WEB = ROOT / "web"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileServer]:
    """The static build, in a folder below the host's top."""
    top = tmp_path_factory.mktemp("host")
    folder = top / "some" / "place"
    vite = ["npx", "--no-install", "vite", "build", "--mode", "static", "--logLevel", "warn", "--outDir", str(folder)]
    subprocess.run(vite, cwd=WEB, check=True, timeout=300, capture_output=True)
    subprocess.run(["node", "scripts/static.mjs", str(folder)], cwd=WEB, check=True, timeout=60, capture_output=True)
    with FileServer(top) as files:
        yield files


def test_a_chat_from_plain_files_also_offline(watch: Watch, site: FileServer) -> None:
    context = watch.context(site.url, service_workers="allow")
    page = context.new_page()
    page.goto("/some/place/")
    # The host sends no headers of isolation: the page gains them by its service worker, which loads it once more.
    until(page, lambda: _isolated(page), "becoming isolated")
    expect(page.get_by_role("button", name="Model: cria This device")).to_be_visible()
    send(page, "What is 7 plus 12?")
    expect(answers(page)).to_have_count(1)
    done(page)
    expect(answers(page)).to_contain_text("19")
    assert all(path.startswith("/some/place/") for path in site.asked), site.asked

    page.goto("/some/place/#/logs")
    expect(page.get_by_role("heading", name="This page needs a Corral server")).to_be_visible()
    page.get_by_role("link", name="Compatibility").click()
    expect(page.get_by_test_id("verdict-fits")).to_contain_text("cria")
    expect(page.get_by_test_id("check-threads")).to_have_attribute("data-level", "ok")

    page.goto("/some/place/#/")
    chats = page.get_by_role("navigation", name="Chats")
    chats.get_by_role("button", name="Delete What is 7 plus 12?").click()
    expect(chats.get_by_role("link")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(chats.get_by_role("link", name="What is 7 plus 12?")).to_be_visible()

    watch.allowed.append(LOST)
    context.set_offline(True)
    page.goto("/some/place/#/")
    page.reload()
    page.get_by_role("navigation", name="Chats").get_by_role("link").first.click()
    expect(answers(page)).to_contain_text("19")
    send(page, "Who are you?")
    expect(answers(page)).to_have_count(2)
    done(page)


def _isolated(page: Page) -> bool:
    try:
        return bool(page.evaluate("crossOriginIsolated")) and composer(page).is_visible()
    except Error:  # the page is being loaded again
        return False
