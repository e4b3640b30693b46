"""Answers while they are written: what is shown, stopping, and not fighting the reader."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.actions import answers, ask, begin, composer, done, mine, texts, until
from tests.support.server import Server

pytestmark = pytest.mark.alone

ROOM_ABOVE = "log => log.parentElement.scrollTop"
ROOM_BELOW = "log => log.parentElement.scrollHeight - log.parentElement.scrollTop - log.parentElement.clientHeight"


def test_every_kind_of_content_is_drawn(page: Page) -> None:
    expect(ask(page, "ping")).to_contain_text("pong")

    code = ask(page, "some code").locator("pre code")
    expect(code).to_contain_text('return sum(name.endswith("llama") for name in names)')
    expect(code.locator("span").first).to_be_attached()

    table = ask(page, "a table").get_by_role("table")
    expect(table.get_by_role("columnheader")).to_have_text(["horse", "height", "temper"])
    expect(table.get_by_role("row")).to_have_count(4)

    formulas = ask(page, "a formula").get_by_role("math")
    expect(formulas).to_have_count(2)

    expect(ask(page, "unicode")).to_contain_text(
        "Grüße! Ein Café, 漢字, emoji 🦙🌾 and a family 👩‍👩‍👧 — all of it arrives whole."
    )
    expect(mine(page)).to_have_text(["ping", "some code", "a table", "a formula", "unicode"])


def test_an_answer_is_the_same_after_a_reload(page: Page) -> None:
    ask(page, "some code")
    ask(page, "a formula")
    expect(answers(page).last.get_by_role("math")).to_have_count(2)
    before = texts(page)
    page.reload()
    expect(answers(page).last.get_by_role("math")).to_have_count(2)
    # What draws it is loaded anew, one part after the other.
    until(page, lambda: texts(page) == before, "the same answer")


def test_an_answer_is_stopped_in_the_middle(slow_page: Page) -> None:
    page = slow_page
    begin(page)
    page.get_by_role("button", name="Stop").click()
    done(page, "Stopped")
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    kept = texts(page)
    assert "Hour 2:" in kept[0]
    assert "long day ended" not in kept[0]
    page.reload()
    done(page, "Stopped")
    assert texts(page) == kept
    assert ask(page, "ping").inner_text().startswith("pong")


def test_the_page_follows_the_answer_unless_the_reader_scrolls_up(slow_page: Page) -> None:
    page = slow_page
    page.set_viewport_size({"width": 1280, "height": 320})
    begin(page)
    log = page.get_by_role("log", name="Conversation")
    until(page, lambda: log.evaluate(ROOM_ABOVE) > 100, "following the answer")
    until(page, lambda: log.evaluate(ROOM_BELOW) <= 48, "being at the end")

    log.hover()
    page.mouse.wheel(0, -10_000)
    until(page, lambda: log.evaluate(ROOM_ABOVE) == 0, "scrolling to the beginning")
    length = len(texts(page)[0])
    until(page, lambda: len(texts(page)[0]) > length + 200, "the answer growing on")
    assert log.evaluate(ROOM_ABOVE) == 0

    page.get_by_role("button", name="Jump to latest").click()
    until(page, lambda: log.evaluate(ROOM_BELOW) <= 48, "jumping to the end")
    expect(page.get_by_role("button", name="Jump to latest")).to_have_count(0)
    page.get_by_role("button", name="Stop").click()
    done(page, "Stopped")


def test_a_draft_stays_with_its_conversation(page: Page, server: Server) -> None:
    ask(page, "ping")
    composer(page).fill("not sent yet")
    page.get_by_role("link", name="New chat").first.click()  # until it has a title, the conversation is called so too
    expect(composer(page)).to_have_value("")
    page.go_back()
    expect(composer(page)).to_have_value("not sent yet")
