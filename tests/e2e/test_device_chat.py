"""One conversation in two places: answered by the included model inside the browser, online and offline, and synced."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.actions import DEADLINE, answers, composer, done, mine, online, send, texts, until
from tests.e2e.conftest import LOST, Watch
from tests.support.server import Server

pytestmark = pytest.mark.alone

EVICT = "navigator.storage.getDirectory().then((all) => all.removeEntry('corral-models', { recursive: true }))"


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the included model alone."""
    made = Server(tmp_path_factory.mktemp("newcomer"), scripted=False)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def here(watch: Watch, newcomer: Server) -> Page:
    """A page on whose device the included model is, and is to answer."""
    watch.allowed.append(LOST)
    page = watch.page(newcomer.url, service_workers="allow")
    online(page)
    page.get_by_role("button", name=re.compile("^Model: ")).click()
    page.get_by_role("menuitemradio", name=re.compile("download")).click()
    expect(page.get_by_role("button", name=re.compile("^Model: .* This device$"))).to_be_visible()
    return page


def line(page: Page) -> Locator:
    return page.get_by_test_id("place-line")


def ask_here(page: Page, text: str) -> None:
    """Sends a message and waits for this device's answer."""
    before = answers(page).count()
    send(page, text)
    expect(composer(page)).to_have_value("")  # it stays there while an answer is under way
    expect(answers(page)).to_have_count(before + 1)
    done(page, patience=5 * DEADLINE)
    expect(answers(page).last).to_contain_text("This device ·")


def stored(server: Server, page: Page) -> list[dict[str, object]]:
    """What the server has of the conversation on the page."""
    agent = page.url.rsplit("/", 1)[1]
    return list(server.ask("GET", f"/api/agents/{agent}/messages")[1]["messages"][1:])


def test_an_answer_of_this_device_is_the_conversations_and_goes_on_offline(here: Page, newcomer: Server) -> None:
    page = here
    ask_here(page, "Who are you?")
    expect(page).to_have_url(re.compile(r"/c/agt_\w"))
    expect(answers(page).last).to_contain_text("tokens/s")
    until(page, lambda: stored(newcomer, page)[-1]["state"] == "completed", "the sync")
    (asked, answer) = stored(newcomer, page)
    assert (asked["content"], answer["place"], answer["content"]) == ("Who are you?", "device", texts(page)[0])
    page.reload()
    expect(answers(page).last).to_contain_text("This device ·")

    until(page, lambda: page.evaluate("navigator.serviceWorker.controller?.state === 'activated'"), "taking charge")
    page.context.set_offline(True)
    expect(line(page)).to_contain_text("Offline")
    ask_here(page, "What is Corral?")
    page.reload()
    expect(mine(page)).to_have_text(["Who are you?", "What is Corral?"])
    expect(line(page)).to_contain_text("This device answers")
    ask_here(page, "What is 7 plus 12?")
    expect(line(page)).to_contain_text("2 turns wait to be synced")
    page.context.set_offline(False)
    online(page)
    expect(line(page)).not_to_contain_text("to be synced")
    said = stored(newcomer, page)
    assert [one["content"] for one in said if one["role"] == "user"] == [
        "Who are you?",
        "What is Corral?",
        "What is 7 plus 12?",
    ]
    assert [one["content"] for one in said if one["role"] == "assistant"] == texts(page)
    expect(mine(page)).to_have_count(3)


def test_what_was_just_synced_is_whole_without_the_server(here: Page, newcomer: Server) -> None:
    """A page that is opened anew in the moment after the sync, with no server any more, shows the answer and goes on."""
    page = here
    until(page, lambda: page.evaluate("navigator.serviceWorker.controller?.state === 'activated'"), "taking charge")
    ask_here(page, "Who are you?")
    expect(page).to_have_url(re.compile(r"/c/agt_\w"))
    said = texts(page)
    until(page, lambda: stored(newcomer, page)[-1]["state"] == "completed", "the sync")
    expect(line(page)).not_to_contain_text("to be synced")
    page.context.set_offline(True)
    page.reload()
    expect(line(page)).to_contain_text("This device answers")
    expect(answers(page)).to_have_count(1)
    assert texts(page) == said
    ask_here(page, "What is 7 plus 12?")
    assert texts(page)[0] == said[0]


def test_what_was_answered_while_the_conversation_went_on_becomes_a_fork(here: Page, newcomer: Server) -> None:
    page = here
    ask_here(page, "Who are you?")
    expect(page).to_have_url(re.compile(r"/c/agt_\w"))
    agent = page.url.rsplit("/", 1)[1]
    until(page, lambda: stored(newcomer, page)[-1]["state"] == "completed", "the sync")
    page.context.set_offline(True)
    expect(line(page)).to_contain_text("Offline")
    ask_here(page, "What is Corral?")
    elsewhere = {"message": "said elsewhere", "agentId": agent}
    assert newcomer.ask("POST", "/api/chat", elsewhere)[0] == 200
    page.context.set_offline(False)
    notice = page.get_by_text("This conversation went on elsewhere")
    expect(notice).to_be_visible()
    expect(mine(page)).to_have_text(["Who are you?", "said elsewhere"])
    notice.get_by_role("link").click()
    expect(mine(page)).to_have_text(["Who are you?", "What is Corral?"])
    expect(page.get_by_role("heading", level=1)).to_have_text("Who are you? (from this device)")
    expect(composer(page)).to_be_focused()


def test_a_model_that_the_browser_removed_is_fetched_again_where_the_answer_failed(
    here: Page, newcomer: Server
) -> None:
    page = here
    ask_here(page, "Who are you?")
    expect(page).to_have_url(re.compile(r"/c/agt_\w"))
    until(page, lambda: stored(newcomer, page)[-1]["state"] == "completed", "the sync")
    page.reload()
    online(page)
    expect(page.get_by_role("button", name=re.compile("^Model: .* This device$"))).to_be_visible()
    page.evaluate(EVICT)
    send(page, "What is Corral?")
    page.get_by_role("button", name="Fetch the model again").click()
    expect(page.get_by_role("button", name="Fetch the model again")).to_have_count(0)
    expect(page.get_by_role("button", name="Have the server answer")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Model: .* This device$"))).to_be_visible()
    expect(line(page)).to_contain_text("This device answers")
    page.get_by_role("button", name="Retry").click()
    expect(answers(page)).to_have_count(3)
    done(page, patience=5 * DEADLINE)
    expect(answers(page).last).to_contain_text("This device ·")


def test_a_message_that_waits_for_the_server_is_handed_over_and_there_once(here: Page, newcomer: Server) -> None:
    page = here
    ask_here(page, "Who are you?")
    expect(page).to_have_url(re.compile(r"/c/agt_\w"))
    for place in ("auto", "server"):
        page.get_by_role("button", name=re.compile("^Model: ")).click()
        page.get_by_role("menuitemcheckbox", name="Answer here when the server is away or busy").click()
        kept = page.evaluate("JSON.parse(localStorage['corral.place.v1']).place")
        assert kept == place
    page.context.set_offline(True)
    expect(line(page)).to_contain_text("you chose the server")
    send(page, "What is Corral?")
    expect(page.get_by_text("Waiting for the connection")).to_be_visible()
    page.get_by_role("button", name="Answer here instead").click()
    expect(page.get_by_text("Waiting for the connection")).to_have_count(0)
    expect(answers(page)).to_have_count(2)
    done(page, patience=5 * DEADLINE)
    page.context.set_offline(False)
    online(page)
    expect(line(page)).to_have_count(0)
    assert [one["content"] for one in stored(newcomer, page) if one["role"] == "user"] == [
        "Who are you?",
        "What is Corral?",
    ]
    expect(mine(page)).to_have_count(2)
