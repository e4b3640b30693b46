"""The static build on a bare server of files: no Corral, no headers, no fallback; the model answers inside the browser."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Error, Page, expect

from tests.conftest import ROOT
from tests.e2e.actions import answers, composer, done, send, until
from tests.e2e.conftest import LOST, Watch
from tests.e2e.test_own_keys import KEY, add
from tests.support.files import FileServer
from tests.support.providers import fake_provider

pytestmark = pytest.mark.alone

WEB = ROOT / "web"
ELSEWHERE = """() => new Promise((resolve) => {
  self.addEventListener('securitypolicyviolation', (event) => resolve(event.violatedDirective));
  fetch('http://10.0.0.1/').then(() => resolve('came through'), () => setTimeout(() => resolve('failed'), 1000));
})"""
"""Calls what the worker's policy does not allow; the directive that stopped it."""


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


def test_a_provider_of_the_visitors_own_where_the_host_sends_no_policy(watch: Watch, site: FileServer) -> None:
    with fake_provider("openai") as provider:
        provider.script({"text": "Straight from the cloud, slowly.", "pace": 0.5}, cors=True, list=["gpt-own"])
        page = watch.context(site.url, service_workers="allow").new_page()
        page.goto("/some/place/")
        until(page, lambda: _isolated(page), "becoming isolated")
        page.goto("/some/place/#/device")
        add(page, provider)
        page.goto("/some/place/#/")
        page.get_by_role("button", name=re.compile("^Model: ")).click()
        page.get_by_role("menuitemradio", name=re.compile("gpt-own")).click()
        send(page, "Who are you?")
        expect(answers(page)).to_contain_text("Straight")
        # The service worker has given the policy that a host of plain files does not.
        (worker,) = (one for one in page.workers if "/remote.worker-" in one.url)
        assert worker.evaluate(ELSEWHERE) == "connect-src"
        done(page)
        assert [one["key"] for one in provider.seen()] == [KEY, KEY]
        until(page, lambda: not [one for one in page.workers if "/remote.worker-" in one.url], "the worker's end")


def _isolated(page: Page) -> bool:
    try:
        return bool(page.evaluate("crossOriginIsolated")) and composer(page).is_visible()
    except Error:  # the page is being loaded again
        return False
