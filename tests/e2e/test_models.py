"""The models page: states as they change, starting and stopping, a file that is no model."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.actions import ask, online
from tests.e2e.conftest import LOST, Watch
from tests.support import gguf_files
from tests.support.server import Server

pytestmark = pytest.mark.alone

RUNNING = re.compile("ready", re.IGNORECASE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has a broken file among its models."""
    made = Server(tmp_path_factory.mktemp("models"))
    (made.data / "models").mkdir(parents=True)
    (made.data / "models" / "broken.gguf").write_bytes(b"GGUF" + bytes(40))
    made.start(CORRAL_DEFAULT_MODEL="corral-demo")
    yield made
    made.stop()


def test_a_model_is_started_and_stopped(page: Page) -> None:
    page.goto("/models")
    row = page.get_by_role("row").filter(has_text="corral-demo")
    row.get_by_role("button", name=re.compile("^Start")).click()
    expect(row).to_contain_text(RUNNING)
    other = page.context.new_page()
    other.goto("/models")
    row.get_by_role("button", name=re.compile("^Stop")).click()
    for shown in (page, other):
        same = shown.get_by_role("row").filter(has_text="corral-demo")
        expect(same).not_to_contain_text(RUNNING)
        expect(same.get_by_role("button", name=re.compile("^Start"))).to_be_enabled()
    other.goto("/")
    ask(other, "ping")
    expect(row).to_contain_text(RUNNING)


def test_a_file_that_is_no_model_says_what_is_wrong(page: Page) -> None:
    page.goto("/models")
    row = page.get_by_role("row").filter(has_text="broken")
    expect(row.get_by_role("alert")).not_to_be_empty()
    expect(row.get_by_role("button", name=re.compile("^Start"))).to_be_disabled()


def test_a_new_file_is_found(page: Page, server: Server) -> None:
    page.goto("/models")
    expect(page.get_by_role("row").filter(has_text="corral-demo")).to_be_visible()
    (server.data / "models" / "later.gguf").write_bytes(b"no model at all")
    page.get_by_role("button", name="Look again").click()
    expect(page.get_by_role("row").filter(has_text="later")).to_be_visible()


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a thousand models."""
    made = Server(tmp_path_factory.mktemp("stocked"), scripted=False)
    for number in range(1000):
        gguf_files.write(
            made.data / "models" / f"herd-{number:04}.gguf",
            general__file_type=(7, 15)[number % 2],
            llama__context_length=1024 * (1 + number % 5),
        )
    made.start()
    yield made
    made.stop()


def test_a_thousand_models_are_scrolled_filtered_and_sorted(watch: Watch, stocked: Server) -> None:
    page = watch.page(stocked.url)
    page.goto("/models")
    table = page.get_by_role("table", name="Models")
    expect(table).to_have_attribute("aria-rowcount", "1002")
    rows = page.get_by_test_id("model-row")
    assert rows.count() < 60
    page.locator(".page").evaluate("page => page.scrollTo(0, page.scrollHeight)")
    expect(rows.filter(has_text="herd-0999")).to_be_visible()
    assert rows.count() < 60

    page.get_by_role("searchbox", name="Search models").fill("HERD-042")
    expect(page.get_by_text("10 of 1,001 models")).to_be_visible()
    page.get_by_role("combobox", name="Any quantisation").select_option("Q8_0")
    expect(page.get_by_text("5 of 1,001 models")).to_be_visible()
    page.get_by_role("button", name="Context").click()
    expect(page.get_by_role("columnheader", name="Context")).to_have_attribute("aria-sort", "descending")
    expect(rows.first).to_contain_text("5,120")
    page.get_by_role("button", name="Context").click()
    expect(rows.first).to_contain_text("1,024")
    page.reload()
    expect(page.get_by_text("5 of 1,001 models")).to_be_visible()
    expect(rows.first).to_contain_text("1,024")
    page.get_by_role("button", name="Show all").click()
    expect(page.get_by_text("1,001 models", exact=True)).to_be_visible()


def test_a_file_is_moved_to_the_trash_and_comes_back(page: Page, server: Server) -> None:
    file = gguf_files.write(server.data / "models" / "unwanted.gguf")
    page.goto("/models")
    page.get_by_role("button", name="Look again").click()
    page.get_by_role("link", name="unwanted").click()
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Move the file to the trash").click()
    row = page.get_by_role("row").filter(has_text="unwanted")
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    expect(row).to_have_count(0)
    assert not file.exists()
    page.get_by_role("button", name="Undo").click()
    expect(row).to_be_visible()
    assert file.exists()


def test_a_model_tells_what_it_is_and_what_its_engine_says(page: Page, server: Server) -> None:
    page.goto("/models")
    page.get_by_role("link", name="corral-demo").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("8,192 tokens")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_test_id("model-state")).to_contain_text(RUNNING)
    expect(page.get_by_role("tabpanel")).to_contain_text(re.compile(r"0 of \d+ busy"))
    page.get_by_role("tab", name="Overview").press("End")
    expect(page.get_by_role("tab", name="Engine log")).to_be_focused()
    lines = page.get_by_role("listbox", name="Log lines").get_by_role("option")
    expect(lines.first).to_be_visible()
    ping = {"message": "ping", "model": "corral-demo"}
    assert server.ask("POST", "/api/chat", ping)[0] == 200
    expect(lines.filter(has_text="slot release").last).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    assert server.ask("POST", "/api/chat", ping)[0] == 200
    page.get_by_role("button", name=re.compile(r"Resume · \d+ new")).click()
    page.get_by_role("link", name="Open them in Logs").click()
    expect(page).to_have_url(re.compile("/logs"))


def test_what_is_asked_for_while_the_server_is_away_is_done_once_it_is_back(watch: Watch, server: Server) -> None:
    watch.allowed.append(LOST)
    server.ask("POST", "/api/models/corral-demo/stop")
    page = watch.page(server.url)
    page.goto("/models")
    row = page.get_by_role("row").filter(has_text="corral-demo")
    expect(row).to_contain_text("stopped")
    online(page)
    port = server.url.rsplit(":", 1)[1]
    server.stop()
    expect(page.get_by_role("status", name="Connected")).to_have_count(0)
    expect(row).to_contain_text("stopped")
    row.get_by_role("button", name=re.compile("^Start")).click()
    server.start(port, CORRAL_DEFAULT_MODEL="corral-demo")
    online(page)
    expect(row).to_contain_text(RUNNING)


def test_the_pages_speak_over_the_socket_alone(watch: Watch, server: Server) -> None:
    page = watch.page(server.url)
    online(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/" in request.url else None)
    for link, heading in (
        ("Models", "Models"), ("Dashboard", "Dashboard"), ("Monitoring", "Monitoring"), ("Logs", "Logs"),
        ("Configuration", "Configuration"), ("Settings", "Settings"),
    ):  # fmt: skip
        page.get_by_role("navigation", name="Pages").get_by_role("link", name=link).click()
        expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()
    page.goto("/models/corral-demo?tab=options")
    expect(page.get_by_test_id("option-ctxSize")).to_be_visible()
    page.get_by_role("tab", name="Templates").click()
    page.get_by_role("tab", name="Engine log").click()
    # The chats beside the pages are read over HTTP.
    assert [url for url in asked if "/api/agents" not in url] == []
