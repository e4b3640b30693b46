"""The list of conversations, and addresses that survive a reload."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.actions import answers, ask, composer, mine
from tests.e2e.conftest import Watch
from tests.support.server import Server

pytestmark = pytest.mark.alone


def chats(page: Page) -> Locator:
    """The list in the sidebar."""
    return page.get_by_role("navigation", name="Chats")


def test_a_conversation_is_renamed(page: Page) -> None:
    ask(page, "ping rename")
    chats(page).get_by_role("button", name="Rename ping rename").click()
    title = page.get_by_role("textbox", name="Title")
    expect(title).to_be_focused()
    title.fill("Given up")
    title.press("Escape")
    expect(chats(page).get_by_role("link", name="ping rename")).to_be_visible()

    chats(page).get_by_role("button", name="Rename ping rename").click()
    title.fill("A better <b>name</b>")
    title.press("Enter")
    expect(chats(page).get_by_role("link", name="A better <b>name</b>")).to_be_visible()
    page.reload()
    expect(chats(page).get_by_role("link", name="A better <b>name</b>")).to_be_visible()


def test_a_deleted_conversation_comes_back_by_undo(page: Page) -> None:
    ask(page, "ping delete")
    address = page.url
    chats(page).get_by_role("button", name="Delete ping delete").click()
    expect(chats(page).get_by_role("link", name="ping delete")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    chats(page).get_by_role("link", name="ping delete").click()
    expect(page).to_have_url(address)
    expect(answers(page)).to_contain_text("pong")


def test_other_tabs_learn_of_changes(page: Page) -> None:
    other = page.context.new_page()
    other.goto("/")
    ask(page, "ping elsewhere")
    expect(chats(other).get_by_role("link", name="ping elsewhere")).to_be_visible()
    chats(other).get_by_role("button", name="Delete ping elsewhere").click()
    expect(chats(page).get_by_role("link", name="ping elsewhere")).to_have_count(0)


def test_addresses_survive_a_reload(page: Page) -> None:
    ask(page, "ping address")
    page.reload()
    expect(mine(page)).to_have_text(["ping address"])
    expect(answers(page)).to_contain_text("pong")
    page.get_by_role("link", name="Models").click()
    expect(page).to_have_url(re.compile("/models$"))
    page.reload()
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    page.go_back()
    expect(answers(page)).to_contain_text("pong")


def test_unknown_addresses_say_so_and_lead_on(watch: Watch, server: Server) -> None:
    watch.allowed.append(re.compile("status of 404"))
    page = watch.page(server.url)
    page.goto("/nowhere")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    page.get_by_role("main").get_by_role("link").click()
    expect(composer(page)).to_be_visible()
    page.goto("/c/agent_unknown")
    expect(page.get_by_role("main")).to_contain_text("There is no such conversation")
    page.get_by_role("main").get_by_role("link", name="Start a new chat").click()
    expect(composer(page)).to_be_focused()
