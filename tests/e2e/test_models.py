"""The models page: states as they change, starting and stopping, a file that is no model."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.actions import ask
from tests.support.server import Server

pytestmark = pytest.mark.alone

RUNNING = re.compile("ready", re.IGNORECASE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has a broken file among its models."""
    made = Server(tmp_path_factory.mktemp("models"))
    (made.data / "models").mkdir(parents=True)
    (made.data / "models" / "broken.gguf").write_bytes(b"GGUF" + bytes(40))
    made.start()
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
