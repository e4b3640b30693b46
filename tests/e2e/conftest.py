"""A real browser on a real server; every page is watched for errors and for requests that leave this machine."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.e2e.actions import DEADLINE
from tests.support.server import Server

expect.set_options(timeout=DEADLINE)

LOST = re.compile(
    r"ERR_(CONNECTION|CONTENT_LENGTH|INTERNET|NETWORK|SOCKET|EMPTY)|WebSocket connection|Failed to fetch|status of 50\d"
)
"""What a browser says about a server that is gone."""


NO_GPU = re.compile(r"^No available adapters\.$")
"""What Chromium says by itself when a page asks for WebGPU on a machine without a graphics card."""
NO_WORKER = re.compile(r"^Service Worker registration blocked by Playwright$")
"""Most tests are not about being offline, and would only fetch all files of the app once more."""


class Watch:
    """The contexts of a test, and what their pages complained about."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.allowed: list[re.Pattern[str]] = [NO_GPU, NO_WORKER]
        self.complaints: list[str] = []

    def context(self, url: str, **options: Any) -> BrowserContext:
        """A fresh browser profile for the server at `url`."""
        usual = {"viewport": {"width": 1280, "height": 800}, "service_workers": "block"}
        context = self._browser.new_context(base_url=url, **{**usual, **options})
        context.set_default_timeout(DEADLINE)
        context.add_init_script("globalThis.hacked = () => console.error('hostile code ran')")
        context.on("console", lambda said: self._note(said.text) if said.type in ("error", "warning") else None)
        context.on("weberror", lambda error: self._note(str(error.error)))
        context.on("request", lambda request: self._asked(request.url, url))
        self._contexts.append(context)
        return context

    def page(self, url: str, **options: Any) -> Page:
        """A page of a fresh profile, on the home page."""
        page = self.context(url, **options).new_page()
        page.goto("/")
        return page

    def close(self) -> None:
        """Closes all profiles, then checks what was noted."""
        for context in self._contexts:
            context.close()
        bad = [text for text in self.complaints if not any(pattern.search(text) for pattern in self.allowed)]
        assert bad == [], bad

    def _note(self, text: str) -> None:
        self.complaints.append(text)

    def _asked(self, address: str, url: str) -> None:
        parts = urlsplit(address)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != urlsplit(url).hostname:
            self.complaints.append(f"a foreign request: {address}")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, started once. (Of the package: Playwright's loop must be gone before asynchronous tests run.)"""
    of_the_system = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=of_the_system, args=["--no-sandbox", "--disable-dev-shm-usage"], timeout=DEADLINE
        )
        yield started
        started.close()


@pytest.fixture
def watch(browser: Browser) -> Iterator[Watch]:
    """Opens pages; at the end no page may have complained."""
    watching = Watch(browser)
    yield watching
    watching.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the module with the scripted model."""
    made = Server(tmp_path_factory.mktemp("server"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory: pytest.TempPathFactory, slow_model: Path) -> Iterator[Server]:
    """A server of the module whose answers take several seconds."""
    made = Server(tmp_path_factory.mktemp("slow"))
    models = made.data / "models"
    models.mkdir(parents=True, exist_ok=True)
    (models / "slow.gguf").symlink_to(slow_model)
    made.start(CORRAL_DEFAULT_MODEL="slow")
    yield made
    made.stop()


@pytest.fixture
def page(watch: Watch, server: Server) -> Page:
    """The home page on the module's server."""
    return watch.page(server.url)


@pytest.fixture
def slow_page(watch: Watch, slow_server: Server) -> Page:
    """The home page on the module's slow server."""
    return watch.page(slow_server.url)


@pytest.fixture(scope="session")
def shoot(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Page, str], None]:
    """Takes a picture into the folder that SCREENSHOTS names, else a temporary one."""
    named = os.environ.get("SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")

    def take(page: Page, name: str) -> None:
        page.screenshot(path=folder / f"{name}.png")

    return take
