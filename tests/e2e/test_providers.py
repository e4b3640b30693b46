"""Providers in the browser: added from cards, tested, their keys never shown, models corrected, removed and brought back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.actions import until
from tests.support.providers import FakeProvider, fake_provider
from tests.support.server import Server

pytestmark = pytest.mark.alone

SECRET = "sk-test-0123456789abcdefghijkl-wxyz"


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeProvider]:
    """A scripted OpenAI."""
    with fake_provider("openai") as running:
        yield running


def stored(server: Server) -> list[dict[str, Any]]:
    """The providers beside this machine's own engines."""
    return [one for one in server.ask("GET", "/api/providers")[1]["providers"] if one["name"] != "local"]


@pytest.fixture(autouse=True)
def nothing_set(server: Server, fake: FakeProvider) -> None:
    """Each test begins without providers, and with a service that behaves."""
    fake.script()
    for provider in stored(server):
        server.ask("DELETE", f"/api/providers/{provider['name']}")


def made(server: Server, fake: FakeProvider, name: str = "openai") -> None:
    """A provider with a key, made over the API."""
    changes = {"kind": "openai", "baseUrl": fake.base_url}
    assert server.ask("PUT", f"/api/providers/{name}", {"version": 0, "changes": changes})[0] == 200
    assert server.ask("POST", f"/api/providers/{name}/keys", {"secret": SECRET})[0] == 200


def field(page: Page, label: str) -> Locator:
    """A control by its label."""
    return page.get_by_label(label, exact=True)


def test_a_provider_is_added_from_a_card_and_tested_before(page: Page, server: Server, fake: FakeProvider) -> None:
    page.goto("/providers")
    page.get_by_role("link", name=re.compile("^OpenAI")).click()
    expect(field(page, "Name")).to_have_value("openai")
    expect(page.get_by_role("button", name="Add", exact=True)).to_be_disabled()
    field(page, "Address").fill(fake.base_url)
    field(page, "Key").fill(SECRET)
    page.get_by_role("button", name="Test the connection").click()
    expect(page.get_by_text(re.compile("It works: answered in"))).to_be_visible()
    assert stored(server) == []
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page).to_have_url(re.compile("/providers/openai$"))
    expect(page.get_by_test_id("provider-key")).to_contain_text(f"…{SECRET[-4:]}")
    assert SECRET not in page.content()
    assert page.evaluate("JSON.stringify([localStorage, sessionStorage])").count(SECRET) == 0
    page.get_by_role("link", name="Providers").first.click()
    expect(page.get_by_test_id("provider-row")).to_have_count(1)


def test_a_key_that_is_refused_is_told_plainly(page: Page, fake: FakeProvider) -> None:
    fake.script(accept_keys=["another"])
    page.goto("/providers?add=openai")
    field(page, "Address").fill(fake.base_url)
    field(page, "Key").fill(SECRET)
    page.get_by_role("button", name="Test the connection").click()
    expect(page.get_by_role("alert")).to_contain_text("key")


def test_nobody_at_the_address_is_told_plainly(page: Page) -> None:
    page.goto("/providers?add=compatible")
    field(page, "Address").fill("http://127.0.0.1:9/v1")
    page.get_by_role("button", name="Test the connection").click()
    expect(page.get_by_role("alert")).not_to_be_empty()


def test_keys_are_added_ordered_removed_and_brought_back(page: Page, server: Server, fake: FakeProvider) -> None:
    made(server, fake)
    page.goto("/providers/openai")
    rows = page.get_by_test_id("provider-key")
    page.get_by_label("Add a further key").fill("sk-another-0123456789abcdefgh")
    page.get_by_label("Name of the key").fill("spare")
    page.get_by_role("button", name="Add key").click()
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("spare")
    page.get_by_role("button", name="Use spare earlier").click()
    expect(rows.nth(0)).to_contain_text("spare")
    page.get_by_role("button", name="Remove spare").click()
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(rows).to_have_count(2)
    labels = {key["label"] for key in stored(server)[0]["keys"]}
    assert "spare" in labels


def test_models_are_listed_and_what_is_known_of_them_is_taken_over(
    page: Page, server: Server, fake: FakeProvider
) -> None:
    made(server, fake)
    page.goto("/providers/openai?tab=models")
    page.get_by_role("searchbox", name="Search models").fill("4.1")
    row = page.get_by_role("row", name=re.compile("^gpt-4.1"))
    row.get_by_role("button", name="gpt-4.1").click()
    dialog = page.get_by_role("dialog", name="gpt-4.1")
    dialog.get_by_role("button", name="Take it over").click()
    expect(dialog.get_by_label("Price of reading")).to_have_value("2")
    dialog.get_by_label("Price of writing").fill("8,5")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    expect(row).to_contain_text("$8.50")
    models = stored(server)[0]["models"]
    assert [(one["name"], one["prices"]["output"]) for one in models] == [("gpt-4.1", 8.5)]
    page.get_by_label("Write down a model that is not listed").fill("own-model")
    page.get_by_role("button", name="Add model").click()
    page.get_by_role("searchbox", name="Search models").fill("own")
    expect(page.get_by_role("row", name=re.compile("^own-model"))).to_be_visible()


def test_settings_are_saved_and_refused_beside_their_field(page: Page, server: Server, fake: FakeProvider) -> None:
    made(server, fake)
    page.goto("/providers/openai?tab=settings")
    field(page, "Silence").fill("30")
    field(page, "Address").fill("nowhere")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="http").first).to_be_visible()
    field(page, "Address").fill(fake.base_url)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved ✓")).to_be_visible()
    assert stored(server)[0]["timeouts"]["idle"] == 30
    field(page, "Silence").fill("soon")
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Discard").click()
    expect(field(page, "Silence")).to_have_value("30")


def test_a_change_of_somebody_else_is_shown_before_it_is_overwritten(
    page: Page, server: Server, fake: FakeProvider
) -> None:
    made(server, fake)
    page.goto("/providers/openai?tab=settings")
    field(page, "Description").fill("mine")
    version = stored(server)[0]["version"]
    theirs = {"version": version, "changes": {"description": "theirs"}}
    assert server.ask("PUT", "/api/providers/openai", theirs)[0] == 200
    page.get_by_role("button", name="Save", exact=True).click()
    dialog = page.get_by_role("dialog", name="Somebody else has saved meanwhile")
    expect(dialog.get_by_role("row", name=re.compile("description"))).to_contain_text("theirs")
    dialog.get_by_role("button", name=re.compile("Keep my changes")).click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved ✓")).to_be_visible()
    assert stored(server)[0]["description"] == "mine"


def test_a_provider_is_turned_off_removed_and_brought_back(page: Page, server: Server, fake: FakeProvider) -> None:
    made(server, fake)
    page.goto("/providers/openai")
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Turn off").click()
    expect(page.get_by_text("Off", exact=True)).to_be_visible()
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Remove").click()
    expect(page).to_have_url(re.compile("/providers$"))
    page.get_by_role("button", name="Undo").click()
    until(page, lambda: stored(server) != [], "bringing it back")
    expect(page.get_by_test_id("provider-row")).to_contain_text("1 key")


def test_what_another_page_adds_appears(page: Page, server: Server, fake: FakeProvider) -> None:
    made(server, fake)
    page.goto("/providers")
    expect(page.get_by_test_id("provider-row")).to_have_count(1)
    made(server, fake, "second")
    expect(page.get_by_test_id("provider-row")).to_have_count(2)
