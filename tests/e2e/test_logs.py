"""The logs page: the lines of Corral and its engines as they are written, found, followed, held, kept and counted."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.actions import ask, online, until
from tests.e2e.conftest import Watch
from tests.support.server import Server

pytestmark = pytest.mark.alone

CHATTER = """
import time
for number in range(5_000):
    print(f"chatter number {number} " + "x" * 40, flush=True)
    if number % 250 == 249:
        time.sleep(0.25)
time.sleep(600)
"""
"""An engine that says a great deal and never gets ready."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with an engine that talks too much."""
    made = Server(tmp_path_factory.mktemp("logs"))
    program = [sys.executable, "-c", CHATTER, "{port}", "{key}"]
    (made.data / "corral.toml").write_text(f"[engines.chatter]\ncommand = {json.dumps(program)}\n")
    made.start(CORRAL_DEFAULT_MODEL="corral-demo")
    yield made
    made.stop()


def rows(page: Page) -> Locator:
    """The lines in sight."""
    return page.get_by_role("listbox", name="Log lines").get_by_role("option")


def count(page: Page) -> int:
    """How many lines pass the filter."""
    found = re.match(r"([\d,]+) lines?", page.get_by_test_id("log-count").inner_text())
    return int(found.group(1).replace(",", "")) if found else 0


def test_an_answer_is_followed_to_the_engine(page: Page) -> None:
    ask(page, "ping")
    page.get_by_role("button", name="Log of this answer").click()
    expect(page).to_have_url(re.compile("requestId="))
    for source in ("turn_begins", "engine:corral-demo"):
        expect(rows(page).filter(has_text=source).first).to_be_visible()
    page.reload()
    expect(rows(page).filter(has_text="engine:corral-demo").first).to_be_visible()
    page.get_by_role("button", name="All requests instead of").click()
    expect(page).not_to_have_url(re.compile("requestId"))


def test_lines_lead_to_those_of_the_same_request_and_source(page: Page, server: Server) -> None:
    server.ask("POST", "/api/chat", {"message": "ping"})
    page.goto("/logs")
    page.get_by_role("combobox", name="Source").select_option("All engines")
    expect(page).to_have_url(re.compile("source=engine"))
    row = rows(page).filter(has_text="slot release").last
    expect(row).to_contain_text("engine:corral-demo")
    row.click()
    line = page.get_by_role("complementary", name="Log line")
    page.get_by_role("combobox", name="Source").select_option("All sources")
    line.get_by_role("button", name=re.compile("^req_")).click()
    expect(rows(page).filter(has_text="turn_begins")).to_have_count(1)
    expect(page).to_have_url(re.compile("requestId=req_"))
    line.get_by_role("button", name="engine:corral-demo").click()
    expect(rows(page).filter(has_text="turn_begins")).to_have_count(0)


def test_new_lines_are_held_back_while_paused(page: Page, server: Server) -> None:
    page.goto("/logs")
    expect(rows(page).first).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    before = count(page)
    server.ask("POST", "/api/chat", {"message": "ping"})
    resume = page.get_by_role("button", name=re.compile(r"Resume · \d+ new"))
    expect(resume).to_be_visible()
    assert count(page) == before
    resume.click()
    until(page, lambda: count(page) > before, "letting the held lines in")
    expect(rows(page).filter(has_text="slot release").last).to_be_visible()


def test_levels_change_at_run_time(page: Page, server: Server) -> None:
    server.ask("POST", "/api/chat", {"message": "ping"})
    page.goto("/logs")
    page.get_by_role("button", name="Levels").click()
    page.get_by_role("combobox", name="Everything").select_option("debug")
    until(page, lambda: server.ask("GET", "/api/logger/config")[1]["level"] == "debug", "changing the level")
    page.get_by_role("combobox", name="Another source").select_option("corral.agents")
    page.get_by_role("combobox", name="corral.agents").select_option("error")
    until(
        page,
        lambda: server.ask("GET", "/api/logger/config")[1]["levels"].get("corral.agents") == "error",
        "changing the level of one source",
    )
    expect(page.get_by_text("Kept in corral.toml.")).to_have_count(2)
    page.get_by_role("combobox", name="corral.agents").select_option("as everything")
    expect(page.get_by_role("combobox", name="corral.agents")).to_have_count(0)
    page.get_by_role("button", name="Reset levels").click()
    expect(page.get_by_text("The default.")).to_be_visible()
    expect(page.get_by_role("combobox", name="Everything")).to_have_value("info")
    config = server.ask("GET", "/api/logger/config")[1]
    assert (config["level"], config["levels"]) == ("info", {})
    assert "log_level" not in (server.data / "corral.toml").read_text()


def test_what_is_shown_can_be_taken_along(page: Page, tmp_path: Path) -> None:
    page.goto("/logs?text=models_found")
    expect(rows(page).first).to_be_visible()
    page.get_by_role("button", name="Download").click()
    with page.expect_download() as started:
        page.get_by_role("menuitem", name="Lines shown, as JSON").click()
    started.value.save_as(tmp_path / "lines.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()]
    assert {line["message"] for line in lines} == {"models_found"}

    page.get_by_role("button", name="Download").click()
    with page.expect_download() as started:
        page.get_by_role("menuitem", name="All lines in the files that pass").click()
    started.value.save_as(tmp_path / "files.jsonl")
    assert [json.loads(line) for line in (tmp_path / "files.jsonl").read_text().splitlines()] == lines


def test_lines_are_walked_by_keyboard(page: Page) -> None:
    page.goto("/logs")
    expect(rows(page).first).to_be_visible()
    lines = page.get_by_role("listbox", name="Log lines")
    lines.focus()
    page.keyboard.press("Home")
    expect(page.get_by_role("complementary", name="Log line")).to_be_visible()
    first = lines.get_attribute("aria-activedescendant")
    page.keyboard.press("ArrowDown")
    assert lines.get_attribute("aria-activedescendant") != first
    page.keyboard.press("ArrowUp")
    assert lines.get_attribute("aria-activedescendant") == first
    page.keyboard.press("Escape")
    expect(page.get_by_role("complementary", name="Log line")).to_have_count(0)


def test_nothing_found_leads_on(page: Page) -> None:
    page.goto("/logs?text=there-is-no-such-line")
    expect(page.get_by_role("heading", name="No line passes the filter")).to_be_visible()
    page.get_by_role("button", name="Clear the filter").click()
    expect(rows(page).first).to_be_visible()
    expect(page).to_have_url(re.compile("/logs$"))


def test_a_hidden_page_is_sent_nothing(watch: Watch, server: Server) -> None:
    page = watch.page(server.url)
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
    page.goto("/logs")
    online(page)
    expect(rows(page).first).to_be_visible()
    hide = "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
    hide += " document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(hide, True)
    until(page, lambda: any("logs:unsubscribe" in frame for frame in sent), "leaving the log")
    before = count(page)
    server.ask("POST", "/api/chat", {"message": "ping"})
    subscribed = sum("logs:subscribe" in frame for frame in sent)
    page.evaluate(hide, False)
    until(page, lambda: sum("logs:subscribe" in frame for frame in sent) > subscribed, "watching the log again")
    until(page, lambda: count(page) > before, "catching up")


def test_a_flood_neither_freezes_the_page_nor_fills_it(page: Page, server: Server) -> None:
    page.goto("/logs")
    expect(rows(page).first).to_be_visible()
    starting = threading.Thread(target=server.ask, args=("POST", "/api/models/chatter/start"), daemon=True)
    starting.start()
    until(page, lambda: count(page) > 1_000, "the flood")
    assert rows(page).count() < 120
    page.get_by_role("searchbox", name="Text").fill("number 4999")
    expect(rows(page).filter(has_text="chatter number 4999")).to_be_visible()
    page.get_by_role("searchbox", name="Text").fill("chatter number")
    until(page, lambda: count(page) > 1_000, "showing all of them")
    page.get_by_role("listbox", name="Log lines").hover()
    page.mouse.wheel(0, -4_000)
    latest = page.get_by_role("button", name="Jump to latest")
    expect(latest).to_be_visible()
    expect(rows(page).filter(has_text="chatter number 4999")).to_have_count(0)
    latest.click()
    expect(rows(page).filter(has_text="chatter number 4999")).to_be_visible()
    expect(latest).to_have_count(0)
    assert rows(page).count() < 120
    server.ask("POST", "/api/models/chatter/stop")
    starting.join(60)


def test_older_lines_come_from_the_files(page: Page, server: Server) -> None:
    if not server.ask("GET", "/api/logs?text=number%204999")[1]["lines"]:
        starting = threading.Thread(target=server.ask, args=("POST", "/api/models/chatter/start"), daemon=True)
        starting.start()
        until(page, lambda: server.ask("GET", "/api/logs?text=number%204999")[1]["lines"], "a long log")
        server.ask("POST", "/api/models/chatter/stop")
        starting.join(60)
    page.goto("/logs?text=models_found")
    expect(rows(page)).to_contain_text(["models_found"])
    page.get_by_role("searchbox", name="Text").fill("")
    until(page, lambda: count(page) >= 500, "showing the newest lines")
    before = count(page)
    back, ended = page.get_by_role("button", name="Look further back"), page.get_by_text("no older ones")
    while not ended.is_visible():
        known = count(page)
        back.click()
        until(page, partial(_further, page, known), "reading more of them")
    assert count(page) > before
    page.get_by_role("listbox", name="Log lines").press("Home")
    expect(rows(page).first).to_contain_text("models_found")


def _further(page: Page, known: int) -> bool:
    back, ended = page.get_by_role("button", name="Look further back"), page.get_by_text("no older ones")
    return ended.is_visible() or (back.is_visible() and count(page) > known)
