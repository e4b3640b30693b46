"""The first minutes: an empty data folder, a suggestion, an answer, the models."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.actions import answers, ask, composer, done, online
from tests.e2e.conftest import Watch
from tests.support.server import Server

pytestmark = pytest.mark.alone

SIZES = {"wide": {"width": 1280, "height": 800}, "narrow": {"width": 390, "height": 844}}
SIDEWAYS = "document.scrollingElement.scrollWidth - innerWidth"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_a_newcomer_gets_an_answer(
    watch: Watch, server: Server, shoot: Callable[[Page, str], None], size: str, theme: str
) -> None:
    page = watch.page(
        server.url, viewport=SIZES[size], color_scheme=theme, reduced_motion="reduce", has_touch=size == "narrow"
    )
    online(page)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    expect(composer(page)).to_be_focused()
    shoot(page, f"{size}-{theme}-1-home")

    page.get_by_role("button", name="What can you help me with?", exact=True).click()
    expect(page).to_have_url(re.compile(r"/c/\w"))
    done(page)
    expect(answers(page)).not_to_be_empty()
    expect(ask(page, "some code")).to_contain_text("def count_llamas(names: list[str]) -> int:")
    ask(page, "a table please")
    expect(answers(page).last.get_by_role("cell", name="Fjord")).to_be_visible()
    shoot(page, f"{size}-{theme}-2-chat")

    if size == "narrow":
        page.get_by_role("button", name="Open menu").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        expect(page.get_by_role("navigation", name="Chats").get_by_role("link").first).to_be_visible()
        shoot(page, f"{size}-{theme}-3-menu")
    page.get_by_role("link", name="Models").click()
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="corral-demo")).to_contain_text(
        re.compile("ready|busy", re.IGNORECASE)
    )
    expect(page.get_by_role("dialog")).to_have_count(0)
    shoot(page, f"{size}-{theme}-4-models")


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Server]:
    """A server of an empty folder, with the model that comes along."""
    made = Server(tmp_path / "data", scripted=False)
    made.start()
    yield made
    made.stop()


def test_the_model_that_comes_along_answers_and_says_what_it_is(
    fresh: Server, watch: Watch, shoot: Callable[[Page, str], None]
) -> None:
    page = watch.page(fresh.url)
    online(page)
    expect(page.get_by_text("Cria answers here, the tiny demo model that comes with Corral.")).to_be_visible()
    expect(page.get_by_role("button", name="Model: cria Demo")).to_be_visible()
    page.get_by_role("button", name="Who are you?", exact=True).click()
    done(page)
    expect(answers(page).last).to_contain_text("I am Cria")
    expect(page.get_by_role("region", name="A better model")).to_contain_text(
        "Cria, the included model, is a tiny demo."
    )
    expect(ask(page, "What is 7 plus 12?")).to_contain_text("19")
    shoot(page, "cria")
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        expect(page.get_by_role("link", name="Get a better model")).to_be_in_viewport()
    page.get_by_role("link", name="Get a better model").click()
    expect(page.get_by_role("row").filter(has_text="cria")).to_be_visible()


BRAND = """() => {
    const text = document.createRange();
    text.selectNodeContents(document.querySelector(".boot > div, .brand > .wide-only"));
    const { x, y } = text.getBoundingClientRect();
    return [Math.round(x), Math.round(y)];
}"""
GROUND = "getComputedStyle(document.body).backgroundColor"


def test_the_first_picture_is_the_frame_of_the_app_as_it_was_chosen(watch: Watch, server: Server) -> None:
    watch.allowed.append(re.compile("ERR_FAILED"))
    kept = [{"name": "mantine-color-scheme-value", "value": "dark"}]
    state = {"origins": [{"origin": server.url, "localStorage": kept}]}
    page = watch.context(server.url, color_scheme="light", storage_state=state).new_page()
    held: list[Route] = []
    begun: list[bool] = []

    def hold(route: Route) -> None:
        if begun:
            route.continue_()
        else:
            held.append(route)

    page.route("**/assets/main-*.js", hold)
    page.goto("/models", wait_until="commit")
    expect(page.get_by_role("status")).to_have_text("Starting…")
    expect(page.locator("html[data-mantine-color-scheme=dark]")).to_be_attached()
    painted = page.evaluate(GROUND), page.evaluate(BRAND)
    begun.append(True)
    for route in held:
        route.continue_()
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    assert painted == (page.evaluate(GROUND), page.evaluate(BRAND)), "the frame changed its colours or its place"
    page.route("**/assets/app-*.js", lambda route: route.abort())
    page.reload(wait_until="commit")
    expect(page.get_by_role("status")).to_have_text("Corral could not be loaded. Try again")
    page.unroute("**/assets/app-*.js")
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()


def test_nothing_is_wider_than_a_small_phone(watch: Watch, server: Server) -> None:
    page = watch.page(server.url, viewport={"width": 360, "height": 640}, has_touch=True)
    online(page)
    assert page.evaluate(SIDEWAYS) <= 0
    for message in ("code please", "a table", "a formula", "unicode " + "long" * 200):
        ask(page, message)
        assert page.evaluate(SIDEWAYS) <= 0, message
    page.goto("/models")
    expect(page.get_by_test_id("model-row").first).to_be_visible()
    assert page.evaluate(SIDEWAYS) <= 0
    for address, seen in (("/dashboard", "Engines hold"), ("/monitoring", "Corral itself"), ("/logs", "slot release")):
        page.goto(address)
        expect(page.get_by_text(seen).first).to_be_visible()
        assert page.evaluate(SIDEWAYS) <= 0, address


def test_the_theme_is_chosen_and_kept(page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name=re.compile("Change to Light")).click()
    page.get_by_role("button", name=re.compile("Change to Dark")).click()
    expect(page.get_by_role("button", name=re.compile("Theme: Dark"))).to_be_visible()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    expect(page.get_by_role("button", name=re.compile("Theme: Dark"))).to_be_visible()
    assert page.evaluate(ground) == dark
