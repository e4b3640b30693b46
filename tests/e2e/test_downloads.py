"""Getting a model in the browser: what a repository offers and what fits, progress, pausing, failing, done."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.hub import FakeHub, fake_hub
from tests.support.server import SCRIPTED, Server

pytestmark = pytest.mark.alone

REPO = "maker/herd-GGUF"
WHOLE = SCRIPTED.read_bytes()


def shown_size(size: int) -> str:
    """Bytes as the page says them."""
    return f"{size / 1e6:.1f} MB"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeHub]:
    """A hub with one repository of two quantisations."""
    with fake_hub(tmp_path_factory.mktemp("hub")) as made:
        made.put(f"{REPO}/herd-Q4_K_M.gguf", WHOLE)
        made.put(f"{REPO}/herd-Q8_0.gguf", WHOLE + bytes(500_000))
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, hub: FakeHub) -> Iterator[Server]:
    """A server that asks this hub, with the included model alone."""
    made = Server(tmp_path_factory.mktemp("downloads"), scripted=False)
    made.start(CORRAL_HUB_ENDPOINT=hub.url)
    yield made
    made.stop()


def look(page: Page, repo: str = REPO) -> None:
    """Asks for a repository."""
    page.goto("/downloads")
    page.get_by_role("textbox", name=re.compile("^Repository")).fill(repo)
    page.get_by_role("button", name="Look").click()


def shown(page: Page) -> Locator:
    """The downloads on the page."""
    return page.get_by_test_id("download")


def test_a_newcomer_is_led_to_a_model_for_this_machine(page: Page) -> None:
    page.goto("/models")
    offer = page.get_by_role("region", name="A better model")
    expect(offer).to_contain_text(re.compile(r"This machine has \d+(\.\d)? GB of memory"))
    link = offer.get_by_role("link", name=re.compile("^Look at Qwen3"))
    expect(link).to_have_attribute("href", re.compile(r"/downloads\?repo=Qwen"))


def test_what_is_not_there_says_so(page: Page) -> None:
    look(page, "nonsense")
    expect(page.get_by_role("alert")).to_contain_text("owner/name")
    page.get_by_role("textbox", name=re.compile("^Repository")).fill("nobody/nothing")
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_role("alert")).to_contain_text("nobody/nothing")


def test_a_model_is_picked_paused_resumed_and_used(page: Page, hub: FakeHub, server: Server) -> None:
    hub.act(rate=300_000)
    look(page, f"https://hub.example/{REPO}/tree/main")
    expect(page).to_have_url(re.compile("repo="))
    rows = page.get_by_role("row")
    expect(rows.filter(has_text="Q8_0")).to_contain_text(shown_size(len(WHOLE) + 500_000))
    row = rows.filter(has_text="Q4_K_M")
    expect(row).to_contain_text(re.compile("Fits|Tight"))
    row.get_by_role("button", name="Get Q4_K_M").click()
    expect(row.get_by_role("button", name="Getting Q4_K_M")).to_be_disabled()
    expect(shown(page)).to_contain_text(re.compile(rf"downloading · \d.* of {shown_size(len(WHOLE))} · .*/s"))
    expect(shown(page).get_by_role("progressbar")).to_be_visible()
    page.get_by_role("button", name=f"Pause {REPO}").click()
    expect(shown(page)).to_contain_text("paused")
    page.goto("/models")
    hub.act()
    page.get_by_role("button", name=f"Resume {REPO}").click()
    expect(shown(page)).to_contain_text("done")

    page.get_by_role("link", name=re.compile("^Open ")).click()
    expect(page.get_by_role("heading", name=re.compile("herd"), level=1)).to_be_visible()
    expect(page.get_by_role("region", name="Predicted memory")).to_contain_text(re.compile("Fits|Tight"))
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_test_id("model-state")).to_contain_text("ready")


def test_a_download_that_fails_says_why_and_can_be_tried_again(page: Page, hub: FakeHub) -> None:
    hub.act(hashes={"herd-Q8_0.gguf": "0" * 64})
    look(page)
    page.get_by_role("button", name="Get Q8_0").click()
    failed = shown(page).filter(has_text="Q8_0")
    expect(failed.get_by_role("alert")).not_to_be_empty()
    hub.act(rate=100_000)
    failed.get_by_role("button", name="Clear").click()
    expect(failed).to_have_count(0)
    page.get_by_role("button", name="Look").click()
    page.get_by_role("button", name="Get Q8_0").click()
    expect(failed).to_contain_text("downloading")
    failed.get_by_role("button", name=re.compile("^Cancel")).click()
    expect(failed).to_contain_text("cancelled")
