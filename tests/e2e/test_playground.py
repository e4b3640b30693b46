"""The playground: every dialect against the real engine, events with times, stopping, tools, and code that runs as it is shown."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Watch
from tests.support.providers import FakeProvider, fake_provider
from tests.support.server import Server

pytestmark = pytest.mark.alone

DIALECTS = ("OpenAI Chat", "OpenAI Responses", "Anthropic", "Ollama")
RUNS = 60


@pytest.fixture(scope="module")
def fake(server: Server) -> Iterator[FakeProvider]:
    """A scripted OpenAI, which the server knows as `cloud`."""
    with fake_provider("openai") as running:
        changes = {"kind": "openai", "baseUrl": running.base_url}
        assert server.ask("PUT", "/api/providers/cloud", {"version": 0, "changes": changes})[0] == 200
        assert server.ask("POST", "/api/providers/cloud/keys", {"secret": "sk-test-0123456789"})[0] == 200
        yield running


def opened(page: Page, dialect: str = "OpenAI Chat", model: str = "corral-demo") -> None:
    """The playground with a dialect and a model."""
    page.goto("/playground")
    page.get_by_role("group", name="Dialect").get_by_role("button", name=dialect, exact=True).click()
    page.get_by_label("Model or route").fill(model)


def send(page: Page) -> None:
    """Sends, and waits for the end."""
    page.get_by_role("button", name="Send").click()
    expect(state(page)).to_contain_text(re.compile("Done|Failed|Stopped"))


def state(page: Page) -> Locator:
    """The line that says how it went."""
    return page.get_by_role("region", name="Result").get_by_role("status").first


def code(page: Page, language: str) -> str:
    """The request as a program."""
    page.get_by_role("tab", name="Code").click()
    page.get_by_role("group", name="Language").get_by_role("button", name=language, exact=True).click()
    return page.get_by_role("tabpanel").locator("pre").inner_text()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_streams_from_the_engine(page: Page, dialect: str) -> None:
    opened(page, dialect)
    page.get_by_text("Parameters", exact=True).click()
    page.get_by_label("Most tokens").fill("24")
    send(page)
    expect(state(page)).to_contain_text("Done 200")
    expect(state(page)).to_contain_text("tokens written")
    assert page.locator(".play-words").inner_text().strip() != ""
    page.get_by_role("tab", name="Events").click()
    assert page.get_by_role("region", name="Events").get_by_role("listitem").count() > 3
    page.get_by_role("region", name="Events").get_by_role("button").first.click()
    expect(page.get_by_role("region", name="Event 1")).to_be_visible()
    page.get_by_role("tab", name="Request").click()
    expect(page.get_by_role("tabpanel").locator("pre")).to_contain_text("POST /")
    page.get_by_role("tab", name="Response").click()
    expect(page.get_by_role("tabpanel").locator("pre")).to_contain_text("x-request-id")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_answers_whole(page: Page, dialect: str) -> None:
    opened(page, dialect)
    page.get_by_role("checkbox", name="Stream").uncheck()
    send(page)
    expect(state(page)).to_contain_text("Done 200")
    assert page.locator(".play-words").inner_text().strip() != ""


def test_what_is_wrong_is_said_before_it_is_sent(page: Page, watch: Watch) -> None:
    watch.allowed.append(re.compile("status of 404"))
    opened(page)
    page.get_by_text("Parameters", exact=True).click()
    page.get_by_label("Temperature").fill("9")
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    expect(page.get_by_role("alert")).to_contain_text("0 to 2")
    page.get_by_label("Temperature").fill("0")
    page.get_by_label("Model or route").fill("no-such-model")
    page.get_by_label("Model or route").press("Control+Enter")
    expect(state(page)).to_contain_text("Failed 404")
    expect(page.get_by_role("alert")).to_contain_text("no-such-model")


def test_an_answer_is_stopped_in_the_middle(slow_page: Page) -> None:
    page = slow_page
    opened(page, model="slow")
    page.get_by_label("User, message 1").fill("a long story")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".play-words")).not_to_be_empty()
    page.get_by_role("button", name="Stop").click()
    expect(state(page)).to_contain_text("Stopped")
    expect(page.get_by_role("button", name="Send")).to_be_enabled()


def test_a_call_of_a_tool_is_answered(page: Page, fake: FakeProvider) -> None:
    fake.script({"tool_calls": [{"name": "weather", "arguments": {"town": "Rome"}}]})
    opened(page, model="cloud/gpt-4.1")
    page.locator("summary").filter(has_text="Tools").click()
    page.get_by_label("Tools", exact=True).fill('[{"name": "weather", "parameters": {"type": "object"}}]')
    send(page)
    expect(page.get_by_role("region", name="Call of weather")).to_contain_text("Rome")
    fake.script({"text": "It is warm."})
    page.get_by_role("button", name="Answer the calls").click()
    page.get_by_label("Tool, message 3").fill("31 degrees")
    send(page)
    expect(page.get_by_text("It is warm.")).to_be_visible()
    sent = fake.seen()[-1]["body"]["messages"]
    assert [one["role"] for one in sent] == ["user", "assistant", "tool"]
    assert sent[2]["content"] == "31 degrees"
    assert sent[2]["tool_call_id"] == sent[1]["tool_calls"][0]["id"]


def test_a_broken_stream_is_told(page: Page, fake: FakeProvider) -> None:
    fake.script({"text": "one two three four five six", "after": 2, "then": "reset"})
    # Another model than the others have: this one rests for a while.
    opened(page, model="cloud/gpt-5-mini")
    send(page)
    expect(state(page)).to_contain_text("Failed")
    expect(page.get_by_role("alert")).not_to_be_empty()


def test_the_code_runs_as_it_is_shown(page: Page, fake: FakeProvider) -> None:
    fake.script({"text": 'It\'s "quoted".'})
    for dialect in DIALECTS:
        opened(page, dialect, "cloud/gpt-4.1")
        page.get_by_label("User, message 1").fill('it\'s\n"here" ünï')
        curl = code(page, "curl")
        done = subprocess.run(["bash", "-c", curl], capture_output=True, text=True, timeout=RUNS, check=True)
        assert "quoted" in done.stdout, (dialect, done.stdout)
        library = {"Anthropic": "anthropic", "Ollama": "ollama"}.get(dialect, "openai")
        if importlib.util.find_spec(library) is None:
            continue
        python = code(page, "Python")
        done = subprocess.run([sys.executable, "-c", python], capture_output=True, text=True, timeout=RUNS, check=False)
        assert done.returncode == 0, (dialect, done.stderr, python)
        assert 'It\'s "quoted".' in done.stdout, (dialect, done.stdout)


def test_what_was_written_is_kept_and_starting_over_can_be_undone(page: Page) -> None:
    opened(page)
    page.get_by_label("User, message 1").fill("remember me")
    page.reload()
    expect(page.get_by_label("User, message 1")).to_have_value("remember me")
    page.get_by_role("button", name="Start over").click()
    expect(page.get_by_label("User, message 1")).not_to_have_value("remember me")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("User, message 1")).to_have_value("remember me")


def test_the_body_is_changed_by_hand(page: Page, fake: FakeProvider) -> None:
    fake.script({"text": "ok"})
    opened(page, model="cloud/gpt-4.1")
    page.get_by_role("tab", name="Request").click()
    page.get_by_role("button", name="Edit by hand").click()
    box = page.get_by_label("Body", exact=True)
    box.fill('{"model": "cloud/gpt-4.1", "messages": [{"role": "user", "content": "by hand"}]}')
    page.get_by_role("tab", name="Answer").click()
    send(page)
    assert fake.seen()[-1]["body"]["messages"][0]["content"] == "by hand"
    page.get_by_role("button", name="Back to the form").click()
    expect(page.get_by_label("Model or route")).to_have_value("cloud/gpt-4.1")
