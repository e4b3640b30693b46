"""How smoothly a table of 5,000 models scrolls: the times between pictures in a real Chromium on a real server."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Page, sync_playwright

from bench.frame import Result, percentile, start
from bench.models import MODELS, fill

LIVELY_MS = 33.4
"""Two pictures of a screen with 60 of them a second."""
PATIENCE_MS = 120_000

SCROLL = """
async ([step, frames]) => {
  const box = document.querySelector("table[aria-label=Models]").closest(".page");
  const top = () => document.querySelector(".table-body").getBoundingClientRect().top;
  const view = box.getBoundingClientRect();
  const next = () => new Promise((shown) => requestAnimationFrame(shown));
  box.scrollTop = 0;
  for (let frame = 0; frame < 30; frame += 1) await next();
  const deltas = [], rows = [];
  let blank = 0, seen = 0, last = await next();
  const most = box.scrollHeight - box.clientHeight;
  const end = Math.min(frames, Math.ceil(most / step));
  for (let frame = 0; frame < end; frame += 1) {
    box.scrollTop = Math.min(most, (frame + 1) * step);
    const now = await next();
    deltas.push(now - last);
    last = now;
    // Looked at in the middle of the pictures and not after each, for looking costs time as well.
    if (frame % 10 === 9) {
      const drawn = document.querySelectorAll("tr[data-index]");
      rows.push(drawn.length);
      const places = [...drawn].map((row) => row.getBoundingClientRect());
      const low = Math.min(...places.map((place) => place.top)), high = Math.max(...places.map((place) => place.bottom));
      const from = Math.max(view.top, top()), to = Math.min(view.bottom, document.querySelector(".table-body").getBoundingClientRect().bottom);
      seen += 1;
      if (low > from + 1 || high < to - 1) blank += 1;
    }
  }
  const drawn = [...document.querySelectorAll("tr[data-index]")].map((row) => Number(row.dataset.index));
  return { deltas, rows, blank, seen, last: Math.max(...drawn), most };
}
"""
"""Moves the table by a number of pixels at each picture, from the first row to the last, and notes when each picture came."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to scroll from the first row to the last: pixels a picture, and the most milliseconds of 95 in 100 pictures."""

    name: str
    step: int
    limit: float | None


WAYS = (Way("3 rows a picture", 156, LIVELY_MS), Way("a screen a picture", 700, None))
QUICK = 300
"""Pictures of each way when it has to be quick."""


def _results(way: Way, told: dict[str, Any]) -> list[Result]:
    deltas = told["deltas"]
    late = sum(delta > LIVELY_MS for delta in deltas) / len(deltas) * 100
    note = f"{len(deltas)} pictures, rows {max(told['rows'])} at most"
    name = f"table of {MODELS:,} models, {way.name}"
    return [
        Result(f"{name}: between pictures, p50", percentile(deltas, 0.5), "ms", way.limit, note),
        Result(f"{name}: p95", percentile(deltas, 0.95), "ms", way.limit),
        Result(f"{name}: p99", percentile(deltas, 0.99), "ms"),
        Result(f"{name}: longest", max(deltas), "ms"),
        Result(f"{name}: pictures that came late", late, "%"),
        Result(f"{name}: pictures with rows missing in sight", told["blank"], f"of {told['seen']}", 0),
    ]


def _measure(page: Page, url: str, *, quick: bool) -> list[Result]:
    page.goto(f"{url}/models")
    page.get_by_text(f"{MODELS + 1:,} models", exact=True).wait_for(timeout=PATIENCE_MS)
    page.get_by_test_id("model-row").first.wait_for()
    results = []
    for way in WAYS:
        told = page.evaluate(SCROLL, [way.step, QUICK if quick else MODELS])
        if not quick and told["last"] != MODELS:
            raise RuntimeError(f"the scroll ended at row {told['last']}")
        results += _results(way, told)
    return results


def run(*, quick: bool) -> list[Result]:
    """All figures."""
    with TemporaryDirectory() as folder:
        data = Path(folder)
        fill(data / "models", MODELS)
        process, url = start(data)
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
                    args=["--no-sandbox", "--disable-dev-shm-usage"],
                )
                page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
                try:
                    return _measure(page, url, quick=quick)
                finally:
                    browser.close()
        finally:
            process.terminate()
            process.wait(30)
