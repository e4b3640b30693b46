"""Nothing is lost and nothing is doubled: reloads, closed tabs, two tabs, a killed server, no network."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import SLOW_HOURS
from tests.e2e.actions import DEADLINE, answers, ask, begin, composer, done, mine, online, send, texts, until
from tests.e2e.conftest import LOST, Watch
from tests.support.server import Server

pytestmark = pytest.mark.alone

STORY = ("A day at the corral.", "So the long day ended, and nothing of it was lost.")


def assert_whole_story(page: Page) -> None:
    """One answer with each of the hours once. A busy machine takes minutes for that."""
    done(page, patience=5 * DEADLINE)
    (words,) = texts(page)
    assert (words[: len(STORY[0])], words[-len(STORY[1]) :]) == STORY
    for hour in range(1, SLOW_HOURS + 1):
        assert words.count(f"Hour {hour}:") == 1, hour


def test_two_tabs_a_reload_and_a_closed_tab_show_one_answer(watch: Watch, slow_server: Server) -> None:
    first = watch.page(slow_server.url)
    begin(first)
    second = first.context.new_page()
    second.goto(first.url)
    expect(answers(second)).to_contain_text("Hour 3:")
    expect(answers(first)).to_contain_text("Hour 3:")
    first.reload()
    expect(answers(first)).to_contain_text("Hour 5:")
    expect(answers(second)).to_contain_text("Hour 5:")

    address = first.url
    first.close()
    expect(answers(second)).to_contain_text("Hour 8:")
    again = second.context.new_page()
    again.goto(address)
    expect(again.get_by_role("button", name="Stop")).to_be_visible()
    assert_whole_story(second)
    assert_whole_story(again)
    again.reload()
    assert_whole_story(again)
    expect(mine(again)).to_have_count(1)


def test_an_answer_goes_on_after_the_server_was_killed(watch: Watch, slow_server: Server) -> None:
    watch.allowed.append(LOST)
    page = watch.page(slow_server.url)
    begin(page)
    port = slow_server.url.rsplit(":", 1)[1]
    slow_server.kill()
    expect(page.get_by_role("status", name="Connected")).to_have_count(0)
    assert "Hour 2:" in texts(page)[0]
    slow_server.start(port, CORRAL_DEFAULT_MODEL="slow")
    online(page)
    assert_whole_story(page)
    expect(mine(page)).to_have_count(1)


def test_what_is_written_offline_is_sent_once(watch: Watch, server: Server) -> None:
    watch.allowed.append(LOST)
    page = watch.page(server.url)
    ask(page, "ping")
    port = server.url.rsplit(":", 1)[1]
    server.stop()
    expect(page.get_by_role("status", name="Offline")).to_be_visible()
    send(page, "a table")
    send(page, "ping once more")
    expect(page.get_by_text("Waiting for the connection; it will be sent once")).to_have_count(2)
    expect(mine(page)).to_have_text(["ping", "a table", "ping once more"])

    server.start(port)
    online(page)
    expect(answers(page)).to_have_count(3)
    done(page)
    expect(mine(page)).to_have_text(["ping", "a table", "ping once more"])
    page.reload()
    expect(answers(page)).to_have_count(3)
    expect(mine(page)).to_have_text(["ping", "a table", "ping once more"])
    expect(page.get_by_text("Waiting for the connection")).to_have_count(0)


def test_a_new_chat_begun_offline_becomes_one_conversation(watch: Watch, server: Server) -> None:
    watch.allowed.append(LOST)
    page = watch.page(server.url)
    online(page)
    port = server.url.rsplit(":", 1)[1]
    server.kill()
    expect(page.get_by_role("status", name="Connected")).to_have_count(0)
    send(page, "ping from the dark")
    expect(page.get_by_text("Waiting for the connection")).to_be_visible()
    server.start(port)
    until(page, lambda: "/c/" in page.url, "opening the conversation")
    done(page)
    expect(mine(page)).to_have_text(["ping from the dark"])
    expect(page.get_by_role("navigation", name="Chats").get_by_role("link", name="ping from the dark")).to_have_count(1)
    expect(composer(page)).to_have_value("")
