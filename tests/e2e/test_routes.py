"""Routes, limits and usage in the browser: candidates ordered by keyboard and by dragging, tried, watched while they rest."""

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

LOCAL = "local/corral-demo"
CLOUD = "cloud/gpt-4.1"


@pytest.fixture(scope="module")
def fake(server: Server) -> Iterator[FakeProvider]:
    """A scripted OpenAI, which the server knows as `cloud`."""
    with fake_provider("openai") as running:
        changes = {"kind": "openai", "baseUrl": running.base_url}
        assert server.ask("PUT", "/api/providers/cloud", {"version": 0, "changes": changes})[0] == 200
        assert server.ask("POST", "/api/providers/cloud/keys", {"secret": "sk-test-0123456789"})[0] == 200
        yield running


@pytest.fixture(autouse=True)
def nothing_set(server: Server, fake: FakeProvider) -> None:
    """Each test begins without routes and limits, and with a service that behaves."""
    fake.script({"text": "Hello from the cloud."})
    for route in server.ask("GET", "/api/routes")[1]["routes"]:
        server.ask("DELETE", f"/api/routes/{route['name']}")
    for limit in server.ask("GET", "/api/limits")[1]["limits"]:
        server.ask("DELETE", f"/api/limits/{limit['id']}")


def made(server: Server, *candidates: str, name: str = "best", **changes: Any) -> None:
    """A route, made over the API."""
    body = {"version": 0, "changes": {"candidates": list(candidates), **changes}}
    assert server.ask("PUT", f"/api/routes/{name}", body)[0] == 200


def route(server: Server, name: str = "best") -> dict[str, Any]:
    """A route as the server has it."""
    return next(one for one in server.ask("GET", "/api/routes")[1]["routes"] if one["name"] == name)


def order(page: Page) -> list[str]:
    """The candidates as the page shows them."""
    return page.get_by_test_id("candidate").locator("strong").all_text_contents()


def add(page: Page, provider: str, model: str) -> None:
    """Adds a candidate."""
    page.get_by_label("Provider", exact=True).select_option(provider)
    page.get_by_label("Model", exact=True).fill(model)
    page.get_by_role("button", name="Add", exact=True).click()


def save(page: Page, button: str = "Save") -> None:
    """Saves, and waits until it is."""
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.get_by_text("Saved ✓")).to_be_visible()


def handle(page: Page, name: str) -> Locator:
    """What a candidate is moved by."""
    return page.get_by_role("button", name=f"Move {name},")


def test_the_first_route_is_made_of_two_candidates(page: Page, server: Server) -> None:
    page.goto("/routes")
    page.get_by_role("link", name="Add the first route").click()
    add(page, "cloud", "gpt-4.1")
    add(page, "local", "corral-demo")
    expect(page.get_by_role("button", name="Add the route")).to_be_disabled()
    page.get_by_label("Name", exact=True).fill("best")
    page.get_by_role("button", name="Add the route").click()
    expect(page).to_have_url(re.compile("/routes/best$"))
    expect(page.get_by_role("heading", name="best", level=1)).to_be_visible()
    candidates = route(server)["candidates"]
    assert [(one["provider"], one["model"]) for one in candidates] == [("cloud", "gpt-4.1"), ("local", "corral-demo")]
    assert any(one["id"] == "best" for one in server.ask("GET", "/v1/models")[1]["data"])


def test_candidates_are_ordered_by_keyboard(page: Page, server: Server) -> None:
    made(server, CLOUD, LOCAL, "cloud/gpt-5")
    page.goto("/routes/best")
    handle(page, CLOUD).focus()
    page.keyboard.press("ArrowDown")
    assert order(page) == [LOCAL, CLOUD, "cloud/gpt-5"]
    expect(handle(page, CLOUD)).to_be_focused()
    expect(page.get_by_text(f"{CLOUD} is now 2 of 3.")).to_be_attached()
    page.keyboard.press("End")
    assert order(page) == [LOCAL, "cloud/gpt-5", CLOUD]
    save(page)
    assert [one["provider"] for one in route(server)["candidates"]] == ["local", "cloud", "cloud"]


def test_candidates_are_ordered_by_dragging(page: Page, server: Server) -> None:
    made(server, CLOUD, LOCAL, "cloud/gpt-5")
    page.goto("/routes/best")
    first, last = handle(page, CLOUD).bounding_box(), handle(page, "cloud/gpt-5").bounding_box()
    assert first is not None
    assert last is not None
    page.mouse.move(first["x"] + 8, first["y"] + 8)
    page.mouse.down()
    for step in range(1, 11):
        page.mouse.move(first["x"] + 8, first["y"] + 8 + (last["y"] + last["height"] - first["y"]) * step / 10)
    page.mouse.up()
    assert order(page) == [LOCAL, "cloud/gpt-5", CLOUD]
    page.get_by_role("button", name="Discard").click()
    assert order(page) == [CLOUD, LOCAL, "cloud/gpt-5"]


def test_a_route_is_tried_and_shows_who_failed(page: Page, server: Server, fake: FakeProvider) -> None:
    made(server, CLOUD, LOCAL)
    page.goto("/routes/best")
    page.get_by_role("button", name="Ask", exact=True).click()
    trial = page.get_by_role("region", name="Try it")
    expect(trial.get_by_text("Hello from the cloud.")).to_be_visible()
    fake.script({"status": 500})
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(trial.get_by_text(re.compile(f"by {LOCAL}"))).to_be_visible()
    expect(trial.get_by_role("table", name="Attempts").get_by_role("row").nth(1)).to_contain_text(CLOUD)


def test_a_candidate_that_rests_is_shown_while_it_does(page: Page, server: Server, fake: FakeProvider) -> None:
    fake.script({"status": 500})
    made(server, CLOUD, LOCAL)
    page.goto("/routes/best")
    row = page.get_by_test_id("candidate").filter(has_text=CLOUD)
    body = {"model": "best", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}

    def ask_until_it_rests() -> bool:
        server.ask("POST", "/v1/chat/completions", body)
        return "rests" in (row.text_content() or "")

    until(page, ask_until_it_rests, "the breaker opening")


def test_strategy_rules_and_times_are_saved(page: Page, server: Server) -> None:
    made(server, CLOUD, LOCAL)
    page.goto("/routes/best")
    page.get_by_role("radio", name=re.compile("^By share")).check()
    page.get_by_label(f"Share of {CLOUD}").fill("3")
    page.get_by_role("button", name="Add a rule").click()
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    page.get_by_label("Parameter of rule 1").fill("max_tokens")
    page.get_by_label("What rule 1 does").select_option("clamp")
    page.get_by_label("Upper bound of rule 1").fill("64")
    page.get_by_label("First content", exact=True).fill("20")
    page.get_by_label("Keep answers", exact=True).check()
    page.get_by_label("Ask another one too", exact=True).fill(LOCAL)
    save(page)
    found = route(server)
    assert (found["strategy"], found["candidates"][0]["weight"]) == ("weighted", 3)
    assert found["parameters"]["clamp"] == {"max_tokens": [None, 64]}
    assert (found["firstContentTimeout"], found["cache"]["ttl"]) == (20, 3600)
    assert found["mirror"]["model"] == "corral-demo"
    page.reload()
    expect(page.get_by_label("Upper bound of rule 1")).to_have_value("64")


def test_a_route_is_renamed_removed_and_brought_back(page: Page, server: Server) -> None:
    made(server, LOCAL)
    page.goto("/routes/best")
    page.get_by_label("Name", exact=True).fill("quick")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page).to_have_url(re.compile("/routes/quick$"))
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Remove").click()
    expect(page.get_by_role("heading", name="No routes yet")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_test_id("route-row")).to_contain_text("quick")


def test_limits_are_added_changed_removed_and_brought_back(page: Page, server: Server) -> None:
    page.goto("/routes?tab=limits")
    page.get_by_role("button", name="Add a limit").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Add", exact=True)).to_be_disabled()
    dialog.get_by_label("Requests", exact=True).fill("60")
    dialog.get_by_label("Budget of a day").fill("2.5")
    dialog.get_by_role("button", name="Add", exact=True).click()
    row = page.get_by_test_id("limit-row")
    expect(row).to_contain_text("Every key")
    expect(row).to_contain_text("60 requests a minute · $2.50 a day")
    row.get_by_role("button", name=re.compile("^Change")).click()
    dialog.get_by_label("Who", exact=True).select_option("all")
    dialog.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("All requests")
    row.get_by_role("button", name=re.compile("^Remove")).click()
    expect(row).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(row).to_have_count(1)
    assert server.ask("GET", "/api/limits")[1]["limits"][0]["requestsPerMinute"] == 60


def test_what_was_asked_is_summed_up(page: Page, server: Server) -> None:
    made(server, CLOUD)
    body = {"model": "best", "messages": [{"role": "user", "content": "hi"}]}
    assert server.ask("POST", "/v1/chat/completions", body)[0] == 200
    page.goto("/routes?tab=usage")
    table = page.get_by_role("table", name="Usage by models")
    expect(table.get_by_role("row", name=CLOUD)).to_be_visible()
    page.get_by_role("button", name="Routes", exact=True).click()
    expect(
        page.get_by_role("table", name="Usage by routes").get_by_role("row", name=re.compile("^best"))
    ).to_be_visible()
