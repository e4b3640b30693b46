"""What a person does and sees, by role and accessible name."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, expect

DEADLINE = 60_000
"""Milliseconds that anything may take: continuous integration is slow."""


def composer(page: Page) -> Locator:
    """The box in which a message is written."""
    return page.get_by_role("textbox", name="Message")


def send(page: Page, text: str) -> None:
    """Writes a message and sends it with Enter."""
    composer(page).fill(text)
    composer(page).press("Enter")


def answers(page: Page) -> Locator:
    """All answers on the page."""
    return page.get_by_role("article", name="Answer")


def mine(page: Page) -> Locator:
    """All messages of the person."""
    return page.get_by_role("article", name="You", exact=True)


def done(page: Page, label: str = "Done", patience: int = DEADLINE) -> None:
    """Waits until the last answer has ended as `label` says, at most `patience` milliseconds."""
    expect(answers(page).last.get_by_role("status")).to_contain_text(label, timeout=patience)


def ask(page: Page, text: str) -> Locator:
    """Sends a message and waits for the whole answer."""
    if "/c/" in page.url:
        expect(answers(page)).not_to_have_count(0)  # a page just opened has yet to read what was said before
    before = answers(page).count()
    send(page, text)
    expect(answers(page)).to_have_count(before + 1)
    done(page)
    return answers(page).last


def begin(page: Page, text: str = "a long story", until: str = "Hour 2:") -> None:
    """Sends a message in a new conversation and waits until its answer has got to `until`."""
    send(page, text)
    expect(page).to_have_url(re.compile(r"/c/\w"))
    expect(answers(page).last).to_contain_text(until)


def texts(page: Page) -> list[str]:
    """The words of all answers, without their status lines."""
    return [words.strip() for words in page.get_by_test_id("message-assistant").all_text_contents()]


def until(page: Page, predicate: Callable[[], Any], what: str) -> Any:
    """The first truthy value of `predicate`."""
    deadline = time.monotonic() + DEADLINE / 1000
    while not (value := predicate()):
        assert time.monotonic() < deadline, f"{what} did not happen; the page says {page.locator('body').inner_text()}"
        page.wait_for_timeout(50)
    return value


def online(page: Page) -> None:
    """Waits for the connection."""
    expect(page.get_by_role("status", name="Connected")).to_be_visible()
