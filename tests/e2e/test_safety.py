"""What a model, a title or a person writes is shown and never run; nothing is loaded from elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.actions import answers, ask, mine, until
from tests.e2e.conftest import Watch
from tests.e2e.payloads import PAYLOADS
from tests.fakes import hostile_model
from tests.support.server import Server

pytestmark = pytest.mark.alone

LIVE = "script, iframe, object, embed, form, base, style, link, img, svg:not(.katex svg), video, details, input"
DRAWN = """() => document.querySelectorAll('[data-math]').length > 10
  && [...document.querySelectorAll('[data-math], [data-lang=js]')].every(e => e.dataset.done)"""
CALLING = "log => [...log.querySelectorAll('[style]')].map(e => e.style.cssText).filter(css => /url|image/i.test(css))"
UNSAFE = """answer => [...answer.querySelectorAll('*')].flatMap(e => [...e.attributes]
  .filter(a => /^on|^src|^action$/i.test(a.name) || a.name === 'href' && !/^(https?:|mailto:|#|\\/debug\\?turn=trn_\\w+$)/i.test(a.value))
  .map(a => `${e.tagName} ${a.name}=${a.value}`))"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose default model is an attacker's."""
    made = Server(tmp_path_factory.mktemp("hostile"))
    program = [sys.executable, str(Path(hostile_model.__file__)), "--port", "{port}", "--key", "{key}"]
    (made.data / "corral.toml").write_text(
        f'default_model = "hostile"\n[engines.hostile]\ncommand = {json.dumps(program)}\n'
    )
    made.start()
    yield made
    made.stop()


def assert_inert(page: Page) -> None:
    """The last answer is words and honest links only."""
    answer = answers(page).last
    for words in ("<script>hacked()</script>", "<img src=x onerror=hacked()>", "<details open ontoggle=hacked()>"):
        expect(answer).to_contain_text(words)
    expect(answer.locator(LIVE)).to_have_count(0)
    assert answer.evaluate(UNSAFE) == []
    honest = answer.get_by_role("link", name="honest")
    expect(honest).to_have_attribute("href", "https://docs.example/")
    expect(honest).to_have_attribute("rel", "noopener noreferrer nofollow")
    # What looks like a link and is none must do nothing when it is clicked.
    for name in ("scripted", "coded", "data"):
        expect(answer.get_by_role("link", name=name, exact=True)).to_have_count(0)
        answer.get_by_text(name, exact=True).first.click()
    assert page.evaluate("document.baseURI") == page.url


def test_hostile_answers_are_words(page: Page) -> None:
    ask(page, "say it")
    assert_inert(page)
    page.reload()
    expect(answers(page)).to_contain_text("the very end")
    assert_inert(page)


def test_two_hundred_hostile_answers_run_nothing_and_call_nobody(watch: Watch, server: Server) -> None:
    assert len(set(PAYLOADS)) == 200
    place: dict[str, Any] = {}
    for start in range(0, len(PAYLOADS), 50):
        turns = [
            {"key": f"hostile-{number}", "message": text, "answer": text, "state": "completed"}
            for number, text in enumerate(PAYLOADS[start : start + 50], start)
        ]
        status, brought = server.ask("POST", "/api/device/turns", {"turns": turns, **place})
        assert status == 200, brought
        place = {"agentId": brought["agentId"], "after": brought["lastSeq"]}
    page = watch.page(server.url)
    page.goto(f"/c/{place['agentId']}")
    expect(answers(page)).to_have_count(200)
    page.wait_for_function(DRAWN)
    talk = page.get_by_role("log", name="Conversation")
    expect(talk.locator(LIVE)).to_have_count(0)
    assert talk.evaluate(UNSAFE) == []
    assert talk.evaluate(CALLING) == []
    assert page.evaluate("document.baseURI") == page.url
    expect(page.get_by_role("textbox", name="Message")).to_be_visible()


def test_hostile_messages_and_titles_are_words(page: Page) -> None:
    hostile = "<img src=x onerror=hacked()><script>hacked()</script>"
    ask(page, hostile)
    expect(mine(page)).to_have_text([hostile])
    chats = page.get_by_role("navigation", name="Chats")
    expect(chats.get_by_role("link", name="<img src=x")).to_be_visible()
    expect(chats.locator("img, script")).to_have_count(0)
    page.keyboard.press("Control+k")
    entry = page.get_by_role("dialog").get_by_role("button", name="<img src=x")
    expect(entry).to_be_visible()
    expect(entry.locator("img, script")).to_have_count(0)


def test_the_watch_notices_what_it_is_for(browser: Browser, server: Server) -> None:
    watch = Watch(browser)
    page = watch.page(server.url)
    page.evaluate("fetch('https://spy.example/').catch(() => 0)")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=hacked()>')")
    page.evaluate("setTimeout(() => { throw new Error('lost my way') })")
    page.evaluate("hacked()")
    signs = ("connect-src", "script-src", "lost my way", "hostile code ran")
    until(page, lambda: all(any(sign in text for text in watch.complaints) for sign in signs), "noticing all of it")
    with pytest.raises(AssertionError, match="hostile code ran"):
        watch.close()
