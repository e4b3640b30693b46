"""Everything without a mouse, and what a screen reader and weak eyes need."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.actions import answers, ask, composer, done, mine, online
from tests.e2e.conftest import Watch
from tests.support.server import Server

pytestmark = pytest.mark.alone

NAMELESS = """() => [...document.querySelectorAll('button, a[href], input, textarea, select, [role=button]')]
  .filter(e => e.checkVisibility())
  .filter(e => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.labels?.length || e.innerText?.trim()))
  .map(e => e.outerHTML)"""

# WCAG's contrast of every visible text with the first opaque ground behind it.
PALE = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = color => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = (top, under) => [0, 1, 2].map(i => (top[i] * top[3] + under[i] * (255 - top[3])) / 255).concat(255);
  const ground = e => {
    if (!e) return [255, 255, 255, 255];
    const own = rgba(getComputedStyle(e).backgroundColor);
    return own[3] === 255 ? own : over(own, ground(e.parentElement));
  };
  const light = c => {
    const [r, g, b] = c.slice(0, 3).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const pale = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !e.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (e.closest('script, style, [disabled], .katex')) continue;
    const under = ground(e);
    const [a, b] = [light(over(rgba(getComputedStyle(e).color), under)), light(under)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) pale.push(`${ratio.toFixed(2)}: ${walk.currentNode.textContent.trim().slice(0, 40)}`);
  }
  return pale;
}"""

FOCUS_SEEN = """() => {
  const e = document.activeElement, ring = e.closest('form') ?? e, style = getComputedStyle(e);
  return style.outlineStyle !== 'none' || style.boxShadow !== 'none' || ring.matches(':focus-within');
}"""
FOCUSED_IN_DIALOG = "document.querySelector('[role=dialog]').contains(document.activeElement)"


def test_a_conversation_by_keyboard_alone(slow_page: Page) -> None:
    page = slow_page
    expect(composer(page)).to_be_focused()
    page.keyboard.type("a long")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("story")
    page.keyboard.press("Enter")
    expect(mine(page)).to_have_text([re.compile(r"a long\s+story")])
    expect(answers(page)).to_contain_text("Hour 1:")
    expect(composer(page)).to_be_focused()
    stop = page.get_by_role("button", name="Stop")
    for _ in range(4):
        page.keyboard.press("Tab")
        if stop.evaluate("e => e === document.activeElement"):
            break
    expect(stop).to_be_focused()
    page.keyboard.press("Enter")
    done(page, "Stopped")


def test_the_palette_holds_the_focus_and_gives_it_back(page: Page) -> None:
    ask(page, "ping palette")
    conversation = page.url
    composer(page).focus()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog")).to_be_visible()
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUSED_IN_DIALOG)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(composer(page)).to_be_focused()

    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog").get_by_role("textbox")).to_be_focused()
    page.keyboard.type("model")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog").get_by_role("textbox")).to_be_focused()
    page.keyboard.type("ping pal")
    page.keyboard.press("Enter")
    expect(page).to_have_url(conversation)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(composer(page)).to_be_focused()


def test_the_list_of_models_by_keyboard(page: Page) -> None:
    online(page)
    picker = page.get_by_role("button", name="Model: ")
    entries = page.get_by_role("menu", name="Models").get_by_role("menuitem")
    picker.press("ArrowDown")
    expect(page.get_by_role("menuitemradio", checked=True)).to_be_focused()
    page.keyboard.press("End")
    expect(entries.last).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitemradio").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(entries).to_have_count(0)
    expect(picker).to_be_focused()
    picker.click()
    expect(entries.last).to_be_visible()
    composer(page).click()
    expect(entries).to_have_count(0)
    picker.press("Enter")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()


def test_the_menu_of_a_phone_gives_the_focus_back(watch: Watch, server: Server) -> None:
    page = watch.page(server.url, viewport={"width": 390, "height": 844})
    opener = page.get_by_role("button", name="Open menu")
    opener.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(opener).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_are_readable_and_named(watch: Watch, server: Server, theme: str) -> None:
    page = watch.page(server.url, color_scheme=theme, reduced_motion="reduce")
    online(page)
    assert page.evaluate("document.documentElement.lang") == "en"
    _check(page)
    ask(page, "some code")
    ask(page, "a table")
    _check(page)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog")).to_be_visible()
    _check(page)
    page.goto("/models")
    expect(page.get_by_test_id("model-row").first).to_be_visible()
    _check(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_about_the_server_are_readable_and_named(watch: Watch, server: Server, theme: str) -> None:
    page = watch.page(server.url, color_scheme=theme, reduced_motion="reduce")
    ask(page, "ping")
    page.goto("/dashboard")
    expect(page.get_by_text("Engines hold")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("listitem", name="corral-demo")).to_be_visible()
    _check(page)
    page.goto("/monitoring")
    page.get_by_role("button", name="Table of Memory", exact=True).click()
    expect(page.get_by_role("table")).to_be_visible()
    _check(page)
    page.goto("/logs")
    expect(page.get_by_test_id("log-row").first).to_be_visible()
    page.get_by_role("listbox", name="Log lines").press("End")
    expect(page.get_by_role("complementary", name="Log line")).to_be_visible()
    _check(page)
    page.get_by_role("button", name="Levels").click()
    expect(page.get_by_role("combobox", name="Everything")).to_be_visible()
    _check(page)


def test_the_focus_can_be_seen(page: Page) -> None:
    ask(page, "ping focus")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            continue
        assert page.evaluate(FOCUS_SEEN), page.evaluate("document.activeElement.outerHTML")


def test_a_story_is_announced_politely(page: Page) -> None:
    ask(page, "ping aloud")
    expect(page.get_by_role("log", name="Conversation")).to_have_attribute("aria-live", "polite")
    expect(answers(page)).to_have_attribute("aria-busy", "false")


def _check(page: Page) -> None:
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate(PALE) == []
    expect(page.get_by_role("main", include_hidden=True)).to_have_count(1)
    expect(page.locator("h1")).to_have_count(1)
