"""Providers that only a browser knows: it asks them itself, and the server never gets their keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocket, expect

from tests.e2e.actions import answers, composer, done, online, send, until
from tests.e2e.conftest import Watch
from tests.e2e.test_accessibility import AXE, RUN
from tests.support.providers import FakeProvider, fake_provider
from tests.support.server import Server

pytestmark = pytest.mark.alone

KEY = "sk-own-0123456789-abcdefghij-WXYZ"
DUMP = """async () => {
  const parts = [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.documentElement.outerHTML];
  for (const { name } of await indexedDB.databases()) {
    const database = await new Promise((resolve) => { indexedDB.open(name).onsuccess = (event) => resolve(event.target.result); });
    for (const store of database.objectStoreNames) {
      const rows = await new Promise((resolve) => {
        database.transaction(store).objectStore(store).getAll().onsuccess = (event) => resolve(event.target.result);
      });
      parts.push(JSON.stringify(rows, (_, value) =>
        value instanceof ArrayBuffer || ArrayBuffer.isView(value)
          ? new TextDecoder('latin1').decode(value)
          : value instanceof CryptoKey ? `sealing extractable=${value.extractable}` : value));
    }
    database.close();
  }
  return parts.join('\\n');
}"""


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    """A service in the cloud, as far as the browser can tell."""
    with fake_provider("openai") as made:
        yield made


def told_to_corral(page: Page, server: Server) -> list[str]:
    """Collects all that the page says to the server, over HTTP and the socket."""
    said: list[str] = []

    def sent(payload: str | bytes) -> None:
        said.append(payload if isinstance(payload, str) else payload.decode("latin-1"))

    def opened(socket: WebSocket) -> None:
        socket.on("framesent", sent)

    page.on("websocket", opened)
    page.context.on(
        "request",
        lambda asked: said.append(f"{asked.url} {asked.headers} {asked.post_data}") if asked.url.startswith(server.url) else None,
    )  # fmt: skip
    return said


def add(page: Page, provider: FakeProvider) -> None:
    """Adds the provider on the page of this device, with a model of its list."""
    section = page.get_by_role("region", name="Your own keys")
    section.get_by_role("button", name="Add a provider").click()
    form = section.get_by_role("form", name="Add a provider")
    expect(form.get_by_label("Kind")).to_be_focused()
    form.get_by_label("Name").fill("Mine")
    form.get_by_label("Address").fill(provider.base_url)
    form.get_by_label("Key").fill(KEY)
    form.get_by_role("button", name="List models").click()
    form.get_by_role("checkbox", name="gpt-own").check()
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert page.evaluate(RUN) == []
    form.get_by_role("button", name="Save").click()
    expect(form).to_have_count(0)
    expect(section.get_by_test_id("own-provider")).to_contain_text("…WXYZ")


def test_a_key_of_the_browser_goes_to_its_provider_and_never_to_the_server(
    watch: Watch, server: Server, provider: FakeProvider
) -> None:
    provider.script({"text": "Straight from the cloud."}, cors=True, accept_keys=[KEY], list=["gpt-own", "gpt-other"])
    page = watch.page(server.url, service_workers="allow")
    said = told_to_corral(page, server)
    page.reload()
    online(page)
    page.goto("/device")
    add(page, provider)
    row = page.get_by_test_id("own-provider")
    row.get_by_role("button", name="Test Mine").click()
    expect(row.get_by_role("status")).to_contain_text("gpt-own answers")

    page.goto("/")
    page.get_by_role("button", name=re.compile("^Model: ")).click()
    page.get_by_role("menuitemradio", name=re.compile("gpt-own")).click()
    expect(page.get_by_role("button", name="Model: gpt-own Your key")).to_be_visible()
    expect(page.get_by_test_id("place-line")).to_contain_text(f"from this browser to 127.0.0.1:{provider.port}")
    send(page, "Who are you?")
    expect(answers(page)).to_have_count(1)
    done(page)
    expect(answers(page)).to_contain_text("Straight from the cloud.")
    expect(answers(page)).to_contain_text("This device · gpt-own (own key)")
    expect(page).to_have_url(re.compile(r"/c/agt_\w"))
    agent = page.url.rsplit("/", 1)[1]

    def stored() -> dict[str, Any]:
        return dict(server.ask("GET", f"/api/agents/{agent}/messages")[1]["messages"][-1])

    until(page, lambda: stored()["state"] == "completed", "the sync")
    assert (stored()["content"], stored()["place"]) == ("Straight from the cloud.", "device")
    assert stored()["stats"]["backend"] == "provider"

    asked = [one for one in provider.seen() if one["method"] == "POST"]
    assert [one["key"] for one in asked] == [KEY, KEY]
    assert asked[1]["headers"]["origin"] == server.url
    assert "referer" not in asked[1]["headers"]
    assert "cookie" not in asked[1]["headers"]
    assert asked[1]["body"]["messages"][-1] == {"role": "user", "content": "Who are you?"}

    assert any("gpt-own" in one for one in said), "what was said to the server was not seen"
    assert not [one for one in said if KEY in one]
    assert not [path for path in server.data.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    kept = page.evaluate(DUMP)
    assert "gpt-own" in kept
    assert "sealing extractable=false" in kept
    assert KEY not in kept

    # The worker may call out; whatever else runs in the page may not.
    watch.allowed.append(re.compile("Content Security Policy|violates the document"))
    called = len(provider.seen())
    blocked = page.evaluate(
        "url => fetch(url).then(() => 'came through', (error) => error.name)", provider.base_url + "/models"
    )
    assert blocked == "TypeError"
    assert len(provider.seen()) == called

    provider.script(cors=True, accept_keys=["another"])
    composer(page).fill("Again?")
    composer(page).press("Enter")
    expect(answers(page)).to_have_count(2)
    expect(answers(page).last).to_contain_text("does not accept your key")
    assert KEY not in page.content()

    page.goto("/device")
    page.get_by_role("button", name="Remove Mine").click()
    expect(page.get_by_test_id("own-provider")).to_have_count(0)
    assert "Mine" not in page.evaluate("() => new Promise((resolve) => { indexedDB.open('corral.keys').onsuccess = ({ target }) => { target.result.transaction('providers').objectStore('providers').getAll().onsuccess = (event) => resolve(JSON.stringify(event.target.result)); }; })")  # fmt: skip
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_test_id("own-provider")).to_have_count(1)
