"""How answers are sampled, set in the chat: presets, single settings, what is wrong with them, and what they do."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.actions import answers, ask, done, send, texts

pytestmark = pytest.mark.alone


def opened(page: Page, label: str = "Answer settings") -> Locator:
    """The dialog."""
    page.get_by_role("button", name=label, exact=True).click()
    dialog = page.get_by_role("dialog", name="Answer settings")
    expect(dialog).to_be_visible()
    return dialog


def test_settings_hold_for_the_conversation_and_do_what_they_say(page: Page) -> None:
    whole = texts_of(ask(page, "a long story"))
    dialog = opened(page)
    dialog.get_by_label("Longest answer").fill("6")
    dialog.get_by_role("button", name="Use").click()
    expect(page.get_by_role("button", name="Answer settings: changed")).to_be_focused()
    page.reload()
    cut = texts_of(ask(page, "a long story"))
    assert whole.startswith(cut)
    assert 0 < len(cut) < len(whole) / 4
    dialog = opened(page, "Answer settings: changed")
    expect(dialog.get_by_label("Longest answer")).to_have_value("6")
    dialog.get_by_role("button", name="The model's own").click()
    expect(dialog.get_by_label("Longest answer")).to_have_value("")
    dialog.get_by_role("button", name="Use").click()
    expect(page.get_by_role("button", name="Answer settings", exact=True)).to_be_visible()
    send(page, "ping again")
    done(page)
    expect(answers(page).last).to_contain_text("pong")


def test_a_new_chat_begins_with_what_was_set_for_it(page: Page) -> None:
    dialog = opened(page)
    dialog.get_by_role("button", name="Precise").click()
    expect(dialog.get_by_role("button", name="Precise")).to_have_attribute("aria-pressed", "true")
    expect(dialog.get_by_label("Temperature")).to_have_value("0.2")
    dialog.get_by_role("button", name="Use").click()
    ask(page, "ping with settings")
    expect(page.get_by_role("button", name="Answer settings: Precise")).to_be_visible()
    page.get_by_role("link", name="New chat").first.click()
    expect(page.get_by_role("button", name="Answer settings", exact=True)).to_be_visible()


def test_presets_are_saved_deleted_and_brought_back(page: Page) -> None:
    dialog = opened(page)
    dialog.get_by_label("Temperature").fill("9")
    expect(dialog.get_by_role("alert")).to_have_text("A number from 0 to 2.")
    expect(dialog.get_by_role("button", name="Use")).to_be_disabled()
    dialog.get_by_label("Temperature").fill("0.55")
    dialog.get_by_label("Frequency penalty").fill("-0.5")
    dialog.get_by_label("Stop at").fill("END\n###")
    name = dialog.get_by_label("Save as a preset")
    name.fill("precise")
    name.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("This name is taken.")
    name.fill("Mine")
    name.press("Enter")
    mine = dialog.get_by_role("button", name="Mine", exact=True)
    expect(mine).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.reload()
    dialog = opened(page)
    dialog.get_by_role("button", name="Delete the preset Mine").click()
    expect(mine).to_have_count(0)
    dialog.get_by_role("button", name="Undo").click()
    mine.click()
    expect(dialog.get_by_label("Stop at")).to_have_value("END\n###")
    expect(dialog.get_by_label("Frequency penalty")).to_have_value("-0.5")


def texts_of(answer: Locator) -> str:
    """The words of one answer."""
    return texts(answer.page)[-1]
