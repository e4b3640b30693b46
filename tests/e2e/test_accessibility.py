"""Every page by axe's rules, light and wide, dark and narrow: nothing it finds may stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import ROOT
from tests.e2e.actions import online
from tests.e2e.conftest import Watch
from tests.support.scale import THOROUGH
from tests.support.server import Server

pytestmark = pytest.mark.alone

AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async () => (await axe.run(document, { resultTypes: ['violations'] })).violations
  .map(v => `${v.id} (${v.impact}): ${v.help}: ${v.nodes.slice(0, 4).map(n => n.html.slice(0, 160)).join(' | ')}`)"""
SIDEWAYS = "document.scrollingElement.scrollWidth - innerWidth"
PAGES = (
    "/", "/dashboard", "/models", "/models/corral-demo", "/models/corral-demo?tab=options",
    "/models/corral-demo?tab=templates", "/models/corral-demo?tab=log", "/downloads", "/device", "/monitoring", "/logs",
    "/configuration", "/configuration?tab=profiles", "/configuration?tab=history", "/configuration?tab=import", "/settings",
    "/providers", "/providers?add=openai", "/providers/cloud", "/providers/cloud?tab=models", "/providers/cloud?tab=settings", "/routes",
    "/routes?tab=limits", "/routes?tab=usage", "/routes?add=true", "/routes/best", "/playground", "/compatibility",
    "/debug", "/debug?request=axe-turn", "/debug?tab=errors", "/debug?tab=log", "/debug?tab=profile", "/debug?tab=figures",
)  # fmt: skip

LOOKS = [("light", False), ("dark", True), *([("light", True), ("dark", False)] if THOROUGH else [])]
"""Colours come from the theme and places from the width: two of the four show every colour and every place."""


@pytest.fixture(scope="module")
def script() -> str:
    """The rules, as they run in the page."""
    return Path(AXE).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def used(server: Server) -> Server:
    """A server on which something has happened: a running engine, a change, a template, a profile, a provider, a route, a limit."""
    server.ask("POST", "/api/models/corral-demo/start")
    server.ask("PUT", "/api/models/corral-demo", {"version": 0, "changes": {"ctxSize": 2048}})
    server.ask("POST", "/api/profiles", {"name": "evenings"})
    changes: dict[str, Any] = {
        "kind": "compatible",
        "baseUrl": "http://127.0.0.1:9/v1",
        "discover": False,
        "models": ["demo"],
    }
    server.ask("PUT", "/api/providers/cloud", {"version": 0, "changes": changes})
    server.ask("POST", "/api/providers/cloud/keys", {"secret": "sk-test-0123456789"})
    changes = {"candidates": ["cloud/demo", "local/corral-demo"], "parameters": {"clamp": {"max_tokens": [1, 64]}}}
    server.ask("PUT", "/api/routes/best", {"version": 0, "changes": changes})
    server.ask("POST", "/api/limits", {"changes": {"scope": "key", "subject": "*", "requestsPerMinute": 600}})
    server.ask(
        "POST",
        "/v1/chat/completions",
        {"model": "best", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4},
    )
    server.ask("POST", "/api/chat", {"message": "ping"}, {"x-request-id": "axe-turn"})
    server.ask("POST", "/api/chat", {"message": "ping", "model": "no-such-model"})
    return server


def settled(page: Page) -> None:
    """Waits until the page has its heading and nothing is being read any more."""
    expect(page.locator("h1")).to_have_count(1)
    expect(page.locator(".late")).to_have_count(0)


@pytest.mark.parametrize(
    ("theme", "narrow"), LOOKS, ids=[f"{theme}-{'narrow' if it else 'wide'}" for theme, it in LOOKS]
)
def test_all_pages_hold_to_the_rules(watch: Watch, used: Server, script: str, theme: str, narrow: bool) -> None:
    size: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True} if narrow else {}
    page = watch.page(used.url, color_scheme=theme, reduced_motion="reduce", **size)
    if not narrow:
        online(page)
    found = {}
    for address in PAGES:
        page.goto(address)
        settled(page)
        page.evaluate(script)
        wide = page.evaluate(SIDEWAYS)
        violations = [*page.evaluate(RUN), *([f"{wide} px wider than the screen"] if wide > 0 else [])]
        if violations:
            found[address] = violations
    assert found == {}
