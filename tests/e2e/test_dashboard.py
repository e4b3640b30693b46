"""The dashboard: engines as they come and go, what the machine has, what went wrong, and the server away for a while."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.actions import ask, online
from tests.e2e.conftest import LOST, Watch
from tests.support.server import Server

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one model that works and an engine that ends at once."""
    made = Server(tmp_path_factory.mktemp("dashboard"))
    program = [sys.executable, "-c", "raise SystemExit('the disk of this engine is made of cheese')", "{port}", "{key}"]
    (made.data / "corral.toml").write_text(f"[engines.cheese]\ncommand = {json.dumps(program)}\n")
    made.start(CORRAL_DEFAULT_MODEL="corral-demo")
    yield made
    made.stop()


def card(page: Page, model: str = "corral-demo") -> Locator:
    """The engine of a model."""
    return page.get_by_role("main").get_by_role("listitem", name=model)


def test_engines_come_and_go(page: Page) -> None:
    page.goto("/dashboard")
    expect(page.get_by_role("heading", name="Dashboard", level=1)).to_be_visible()
    page.get_by_role("button", name="Start corral-demo").click()
    expect(card(page)).to_contain_text(re.compile("ready|busy"))
    expect(card(page)).to_contain_text(re.compile(r"\d of 4 slots at work"))

    other = page.context.new_page()
    other.goto("/")
    ask(other, "ping")
    card(page).get_by_role("button", name="Stop").click()
    expect(page.get_by_role("heading", name="No engine runs")).to_be_visible()
    ask(other, "ping")
    expect(card(page)).to_contain_text(re.compile("ready|busy"))
    card(page).get_by_role("link", name="corral-demo").click()
    expect(page).to_have_url(re.compile("/models/corral-demo"))


def test_the_machine_is_seen(page: Page) -> None:
    page.goto("/dashboard")
    machine = page.get_by_role("region", name="Machine")
    for figure in ("Processor", "Memory", "Disk"):
        expect(machine.get_by_role("link", name=figure)).to_contain_text(re.compile(r"\d %"))
    memory = page.get_by_role("region", name="Memory")
    for holder in ("Corral itself", "Other programs", "Free"):
        expect(memory.get_by_role("listitem").filter(has_text=holder)).to_contain_text(re.compile("[kMGT]?B$"))
    expect(page.get_by_text(re.compile("up .+ · Corral"))).to_be_visible()
    machine.get_by_role("link", name="Processor").click()
    expect(page.get_by_role("heading", name="Monitoring", level=1)).to_be_visible()


def test_a_failed_engine_says_why(page: Page, server: Server) -> None:
    online(page)
    page.goto("/models")
    page.get_by_role("link", name="Dashboard").click()
    server.ask("POST", "/api/models/cheese/start")
    expect(card(page, "cheese").get_by_role("alert")).not_to_be_empty()
    expect(card(page, "cheese").get_by_role("button", name="Start again")).to_be_enabled()
    problems = page.get_by_role("region", name="Recent problems")
    problems.get_by_role("link").filter(has_text="engine_failed").first.click()
    expect(page.get_by_role("heading", name="Logs", level=1)).to_be_visible()
    expect(page.get_by_role("listbox", name="Log lines").get_by_role("option")).to_contain_text(["engine_failed"])


def test_what_is_asked_for_while_the_server_is_away_is_done_once_it_is_back(watch: Watch, server: Server) -> None:
    watch.allowed.append(LOST)
    port = server.url.rsplit(":", 1)[1]
    server.stop()
    server.start(port, CORRAL_DEFAULT_MODEL="corral-demo")
    page = watch.page(server.url)
    page.goto("/dashboard")
    start = page.get_by_role("button", name="Start corral-demo")
    expect(start).to_be_enabled()
    server.stop()
    expect(page.get_by_role("status", name="Offline")).to_be_visible()
    outage = page.get_by_role("status").filter(has_text="No connection since")
    expect(outage).to_be_visible()
    start.click()
    expect(outage).to_contain_text("One request is sent when it is back")
    outage.get_by_role("button", name="Do not send").click()
    expect(outage).not_to_contain_text("One request")
    start.click()
    expect(outage).to_contain_text("One request is sent when it is back")

    server.start(port, CORRAL_DEFAULT_MODEL="corral-demo")
    expect(card(page)).to_contain_text(re.compile("ready|busy"))
    online(page)
    expect(outage).to_have_count(0)
