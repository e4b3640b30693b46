"""The monitoring page: charts with data of the real machine, their tables, ranges in the address, and marking a part."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.actions import ask

pytestmark = pytest.mark.alone


def chart(page: Page, title: str) -> Locator:
    """A chart with its heading and legend."""
    return page.get_by_role("region", name=title, exact=True)


def test_the_machine_and_engines_are_drawn(page: Page) -> None:
    ask(page, "ping")
    page.get_by_role("link", name="Monitoring").click()
    expect(page.get_by_role("heading", name="Monitoring", level=1)).to_be_visible()
    memory = chart(page, "Memory")
    expect(memory.locator("canvas")).to_be_visible()
    expect(memory.get_by_role("listitem").filter(has_text="Corral itself")).to_contain_text(re.compile(r"\d MB"))
    expect(chart(page, "Memory of engines").get_by_role("listitem")).to_contain_text("corral-demo")

    memory.get_by_role("button", name="Table of Memory").click()
    table = memory.get_by_role("table")
    expect(table.get_by_role("columnheader")).to_have_text(["Time", "In use", "Engines", "Corral itself"])
    expect(table.get_by_role("row").nth(1)).to_contain_text(re.compile(r"\d MB$"))
    memory.get_by_role("button", name="Table of Memory").click()
    expect(memory.locator("canvas")).to_be_visible()


def test_new_figures_come_by_themselves(page: Page) -> None:
    page.goto("/monitoring")
    memory = chart(page, "Memory")
    memory.get_by_role("button", name="Table of Memory").click()
    rows = memory.get_by_role("row")
    expect(rows.nth(1)).to_be_visible()
    newest = rows.nth(1).get_by_role("rowheader").inner_text()
    expect(rows.nth(1).get_by_role("rowheader")).not_to_have_text(newest)


def test_the_range_is_in_the_address(page: Page) -> None:
    page.goto("/monitoring")
    page.get_by_role("button", name="Hour", exact=True).click()
    expect(page).to_have_url(re.compile("range=1h"))
    page.reload()
    expect(page.get_by_role("button", name="Hour", exact=True)).to_have_attribute("aria-pressed", "true")
    page.goto("/monitoring?range=nonsense")
    expect(page.get_by_role("button", name="10 min", exact=True)).to_have_attribute("aria-pressed", "true")
    for name in ("Day", "Week", "30 days"):
        page.get_by_role("button", name=name, exact=True).click()
        expect(chart(page, "Processor")).to_be_visible()


def test_a_part_is_marked_and_left(page: Page) -> None:
    page.goto("/monitoring")
    canvas = chart(page, "Memory").locator("canvas")
    expect(canvas).to_be_visible()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 60, steps=5)
    page.mouse.up()
    everything = page.get_by_role("button", name="Show all")
    expect(everything).to_be_visible()
    everything.click()
    expect(everything).to_have_count(0)
