"""The debug page and the figures of a chat, in a browser on a real server."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, expect

from tests.e2e.actions import ask, online, until
from tests.support.server import Server


def test_the_waterfall_of_a_message_goes_from_the_click_to_the_engines_slot(page: Page, server: Server) -> None:
    online(page)
    ask(page, "ping")
    page.get_by_title("Where the time went").last.click()
    expect(page).to_have_url(re.compile(r"/debug\?turn=trn_"))
    table = page.get_by_test_id("waterfall")
    # What the browser saw is told a moment after the end, and the page asks again.
    for name in (
        "message",
        "send over the socket",
        "intent chat:send",
        "commit the message",
        "turn",
        "wait for a slot",
        "write the answer",
    ):
        expect(table.get_by_role("button", name=name, exact=True)).to_be_visible()
    rows = page.get_by_test_id("span-row")
    layers = {rows.nth(at).get_attribute("data-layer") for at in range(rows.count())}
    assert layers >= {"browser", "realtime", "agents", "storage", "inference", "engine"}
    table.get_by_role("button", name=re.compile("^engine ")).press("Enter")
    facts = page.get_by_role("region", name=re.compile("^Facts of engine"))
    expect(facts).to_contain_text("slot")
    expect(page.get_by_test_id("event-row").last).to_contain_text("end")
    page.get_by_text("Raw request").click()
    expect(page.get_by_role("button", name="Copy model's request as curl")).to_be_visible()
    with page.expect_download() as saved:
        page.get_by_label("Trace", exact=True).get_by_role("button", name="Export as JSON").click()
    told = json.loads(saved.value.path().read_text(encoding="utf-8"))
    assert {span["layer"] for span in told["spans"]} == layers


def test_errors_the_log_and_a_profile_are_a_tab_away(page: Page, server: Server) -> None:
    server.ask("POST", "/api/chat", {"message": "x", "model": "no-such-model", "userId": "debug-page"})
    page.goto("/debug?tab=errors")
    expect(page.get_by_test_id("failure-row").filter(has_text="model_not_found").first).to_contain_text("low")
    page.get_by_role("tab", name="Log").click()
    expect(page.get_by_test_id("log-row").first).to_be_visible()
    page.get_by_role("tab", name="Profile").click()
    page.get_by_role("button", name="1 s", exact=True).click()
    page.get_by_role("button", name="Take a profile").click()
    expect(page.get_by_test_id("functions")).to_be_visible()
    page.get_by_role("button", name="Time passed").click()
    tree = page.get_by_role("tree", name="Functions by time")
    tree.get_by_role("treeitem").first.focus()
    page.keyboard.press("ArrowDown")
    expect(tree.locator("[aria-selected=true]")).to_have_attribute("aria-level", "2")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Back")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Back")).to_have_count(0)


def test_the_figures_of_a_chat_are_shown_on_demand(page: Page, server: Server) -> None:
    online(page)
    expect(page.get_by_test_id("overlay")).to_have_count(0)
    page.keyboard.press("Control+Shift+L")
    overlay = page.get_by_test_id("overlay")
    expect(overlay).to_contain_text("Socket round trip")
    ask(page, "a long story")

    def figure(name: str) -> str:
        return overlay.locator("dl > div").filter(has_text=name).locator("dd").inner_text()

    until(page, lambda: re.fullmatch(r"[\d.,]+ ms", figure("Time to first token")), "the time to first token")
    until(page, lambda: re.fullmatch(r"[\d.,]+ tokens/s", figure("Speed")), "the speed")
    until(page, lambda: re.fullmatch(r"[\d.,]+ ms", figure("Socket round trip")), "the round trip")
    page.get_by_role("button", name="Figures of this chat").click()
    expect(overlay).to_have_count(0)
