"""Options of models and of all of them: forms from the catalogue, reasons, conflicts, templates, profiles, history."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.actions import online, until
from tests.e2e.conftest import Watch
from tests.support.server import SCRIPTED, Server

pytestmark = pytest.mark.alone

MODEL = "corral-demo"


def options(page: Page, model: str = MODEL) -> None:
    """Opens the options of a model."""
    page.goto(f"/models/{model}?tab=options")
    expect(page.get_by_test_id("option-ctxSize")).to_be_visible()


def field(page: Page, label: str) -> Locator:
    """The control of an option."""
    return page.get_by_role("tabpanel").get_by_label(label, exact=True)


def save(page: Page, button: str | re.Pattern[str] = re.compile("^Save( and apply now)?$")) -> None:
    """Reviews the changes and saves them."""
    page.get_by_role("button", name="Review and save").click()
    page.get_by_role("dialog").get_by_role("button", name=button).click()


def saved(page: Page) -> None:
    """Waits until the page says so."""
    expect(page.get_by_text("Saved ✓")).to_be_visible()


def own(server: Server, model: str = MODEL) -> dict[str, Any]:
    """What is set for a model, as the server tells it."""
    return dict(server.ask("GET", f"/api/models/{model}")[1]["configuration"]["own"])


@pytest.fixture(autouse=True)
def nothing_set(server: Server) -> None:
    """Each test begins with a model that has nothing of its own and no engine."""
    server.ask("POST", f"/api/models/{MODEL}/stop")
    server.ask("DELETE", f"/api/models/{MODEL}")
    assert own(server) == {}


def test_an_option_is_found_checked_reviewed_and_saved(page: Page, server: Server) -> None:
    options(page)
    page.get_by_role("searchbox", name="Search options").fill("--ctx-size")
    expect(page.get_by_test_id(re.compile("^option-"))).to_have_count(1)
    field(page, "Context").fill("12")
    expect(page.get_by_test_id("option-ctxSize").get_by_role("alert")).to_contain_text("128 to 16,777,216")
    expect(page.get_by_role("button", name="Review and save")).to_be_disabled()
    field(page, "Context").fill("2048")
    page.get_by_role("button", name="Review and save").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("row", name=re.compile("Context"))).to_contain_text("2,048 tokens per slot")
    dialog.get_by_role("button", name="Save", exact=True).click()
    saved(page)
    assert own(server) == {"ctxSize": 2048}

    page.reload()
    page.get_by_role("checkbox", name="Only what is set").check()
    expect(page.get_by_test_id(re.compile("^option-"))).to_have_count(1)
    expect(field(page, "Context")).to_have_value("2048")
    page.get_by_role("button", name="Reset Context").click()
    save(page)
    saved(page)
    assert own(server) == {}


def test_a_running_engine_takes_over_a_change(page: Page, server: Server) -> None:
    server.ask("POST", f"/api/models/{MODEL}/start")
    options(page)
    field(page, "Context").fill("1024")
    save(page, "Save and apply now")
    saved(page)
    until(
        page,
        lambda: server.ask("GET", f"/api/models/{MODEL}")[1]["engine"]["contextLength"] == 1024,
        "the engine running with the new context",
    )
    assert server.ask("GET", f"/api/models/{MODEL}")[1]["state"] in ("ready", "busy")


def test_what_cannot_start_is_refused_beside_its_field(page: Page, server: Server) -> None:
    server.ask("POST", f"/api/models/{MODEL}/start")
    options(page)
    page.get_by_role("searchbox", name="Search options").fill("--lora")
    before = server.ask("GET", f"/api/models/{MODEL}")[1]["engine"]["pid"]
    page.get_by_test_id("option-lora").get_by_role("textbox").fill("/nowhere/adapter.gguf")
    save(page, "Save and apply now")
    expect(page.get_by_test_id("option-lora").get_by_role("alert")).not_to_be_empty()
    page.get_by_role("button", name="Discard").click()
    page.get_by_role("searchbox", name="Search options").fill("--chat-template")
    page.get_by_test_id("option-chatTemplate").get_by_role("textbox").fill("{{ messages | nothing }}")
    save(page, "Save and apply now")
    reason = page.get_by_test_id("option-chatTemplate").get_by_role("alert")
    expect(reason).to_contain_text("line 1, column 13: Unknown (built-in) filter 'nothing'")
    page.get_by_role("button", name="Discard").click()
    page.get_by_role("searchbox", name="Search options").fill("draft model")
    cut = server.data / "cut.gguf"
    cut.write_bytes(SCRIPTED.read_bytes()[:-1000])
    page.get_by_test_id("option-modelDraft").get_by_role("textbox").fill(str(cut))
    expect(page.get_by_test_id("option-modelDraft").get_by_role("alert")).to_contain_text("is cut short")
    expect(page.get_by_text("Not predicted while this cannot be used: Draft model.")).to_be_visible()
    page.get_by_role("button", name="Discard").click()
    assert own(server) == {}
    found = server.ask("GET", f"/api/models/{MODEL}")[1]
    assert (found["state"], found["engine"]["pid"]) == ("ready", before)


def test_a_change_of_somebody_else_is_shown_before_it_is_overwritten(page: Page, server: Server) -> None:
    options(page)
    field(page, "Context").fill("2048")
    version = server.ask("GET", f"/api/models/{MODEL}")[1]["configuration"]["version"]
    change = {"version": version, "changes": {"ctxSize": 512, "temperature": 0.5}}
    assert server.ask("PUT", f"/api/models/{MODEL}", change)[0] == 200
    save(page)
    dialog = page.get_by_role("dialog", name="Somebody else has saved meanwhile")
    expect(dialog.get_by_role("row", name=re.compile("Context"))).to_contain_text("512")
    expect(dialog.get_by_role("row", name=re.compile("Temperature"))).to_contain_text("0.5")
    expect(dialog).to_contain_text("You have changed Context as well")
    dialog.get_by_role("button", name=re.compile("Keep my changes")).click()
    assert own(server) == {"ctxSize": 512, "temperature": 0.5}
    save(page)
    saved(page)
    assert own(server) == {"ctxSize": 2048, "temperature": 0.5}


def test_unsaved_changes_stay_while_other_pages_are_looked_at(page: Page) -> None:
    options(page)
    field(page, "Context").fill("2048")
    page.get_by_role("tab", name="Overview").click()
    page.get_by_role("link", name="Settings").click()
    page.go_back()
    page.get_by_role("tab", name="Options").click()
    expect(field(page, "Context")).to_have_value("2048")
    page.get_by_role("button", name="Discard").click()
    expect(field(page, "Context")).to_have_value("")


def test_a_template_is_made_applied_deleted_and_brought_back(page: Page, server: Server) -> None:
    options(page)
    field(page, "Context").fill("2048")
    save(page)
    saved(page)
    page.get_by_role("tab", name="Templates").click()
    page.get_by_role("textbox", name=re.compile("Make a template")).fill("short chats")
    page.get_by_role("button", name="Save template").click()
    row = page.get_by_role("listitem").filter(has_text="short chats")
    expect(row).to_contain_text("Context 2,048 tokens per slot")
    server.ask("DELETE", f"/api/models/{MODEL}")
    row.get_by_role("button", name="Apply short chats").click()
    expect(page.get_by_text("“short chats” is set.")).to_be_visible()
    assert own(server) == {"ctxSize": 2048}
    row.get_by_role("button", name="Delete short chats").click()
    expect(row).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(row).to_be_visible()


def test_what_is_set_for_all_models_counts_and_is_rolled_back(page: Page, server: Server) -> None:
    page.goto("/configuration")
    expect(page.get_by_role("heading", name="Configuration", level=1)).to_be_visible()
    field(page, "Batch").fill("256")
    save(page)
    saved(page)
    assert server.ask("GET", f"/api/models/{MODEL}")[1]["configuration"]["effective"]["batchSize"] == 256
    options(page)
    expect(page.get_by_test_id("option-batchSize")).to_contain_text("From what is set for all models")

    page.goto("/configuration?tab=history")
    change = page.get_by_test_id("change").first
    expect(change).to_contain_text("All models")
    change.get_by_text("1 value").click()
    expect(change.get_by_role("row", name=re.compile("Batch"))).to_contain_text("256 tokens")
    change.get_by_role("button", name=re.compile("^Roll back")).click()
    expect(page.get_by_test_id("change").first).to_contain_text("rolled back")
    assert server.ask("GET", f"/api/models/{MODEL}")[1]["configuration"]["effective"]["batchSize"] == 512


def test_profiles_switch_all_that_is_set(page: Page, server: Server) -> None:
    page.goto("/configuration?tab=profiles")
    page.get_by_role("textbox", name=re.compile("as a profile")).fill("plain")
    page.get_by_role("button", name="Keep profile").click()
    row = page.get_by_role("listitem").filter(has_text="plain")
    expect(row).to_be_visible()
    version = server.ask("GET", f"/api/models/{MODEL}")[1]["configuration"]["version"]
    server.ask("PUT", f"/api/models/{MODEL}", {"version": version, "changes": {"ctxSize": 512}})
    row.get_by_role("button", name="Switch to plain").click()
    expect(page.get_by_text("“plain” is set.")).to_be_visible()
    assert own(server) == {}
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("What held before the switch is set again.")).to_be_visible()
    assert own(server) == {"ctxSize": 512}

    row.get_by_role("button", name="Switch to plain").click()
    expect(page.get_by_text("“plain” is set.")).to_be_visible()
    version = server.ask("GET", f"/api/models/{MODEL}")[1]["configuration"]["version"]
    server.ask("PUT", f"/api/models/{MODEL}", {"version": version, "changes": {"ctxSize": 1024}})
    page.get_by_role("tab", name="History").click()
    undo = page.get_by_role("button", name="Undo this: Profile plain, switched to").first
    undo.click()
    refusal = page.get_by_role("alert")
    expect(refusal).to_contain_text("changed since")
    expect(refusal.get_by_role("row", name=re.compile(MODEL))).to_contain_text("1,024 tokens")
    version += 1
    server.ask("PUT", f"/api/models/{MODEL}", {"version": version, "changes": {"ctxSize": None}})
    undo.click()
    expect(page.get_by_test_id("change").filter(has_text="switch undone").first).to_be_visible()
    until(page, lambda: own(server) == {"ctxSize": 512}, "bringing back what held before")
    page.get_by_role("tab", name="Profiles").click()
    row.get_by_role("button", name="Delete plain").click()
    expect(row).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(row).to_be_visible()
    row.get_by_role("button", name="Delete plain").click()
    page.get_by_role("tab", name="History").click()
    until(page, lambda: server.ask("GET", "/api/profiles")[1]["profiles"] == [], "deleting the profile")


def test_engines_with_earlier_settings_are_restarted_by_keyboard_and_what_fails_serves_on(
    page: Page, server: Server
) -> None:
    server.ask("DELETE", f"/api/models/{MODEL}")
    pid = server.ask("POST", f"/api/models/{MODEL}/start")[1]["engine"]["pid"]
    version = server.ask("GET", "/api/config")[1]["version"]
    server.ask("POST", "/api/config", {"version": version, "serverConfig": {"batchSize": 128}})
    page.goto("/configuration")
    panel = page.get_by_role("region", name="Engines with earlier settings")
    expect(panel).to_contain_text(f"One engine still runs with earlier settings: {MODEL}")
    button = panel.get_by_role("button", name="Restart 1 engine now")
    expect(button).to_have_accessible_description(re.compile("the one before serves on"))
    button.press("Enter")
    expect(panel.get_by_role("status")).to_have_text("1 engine runs with what is set now.")
    close = panel.get_by_role("button", name="Close")
    expect(close).to_be_focused()
    close.press("Enter")
    expect(panel).to_have_count(0)
    model = server.ask("GET", f"/api/models/{MODEL}")[1]
    assert (model["state"], model["engine"]["pid"] != pid) == ("ready", True)

    version = model["configuration"]["version"]
    server.ask("PUT", f"/api/models/{MODEL}", {"version": version, "changes": {"lora": ["none.gguf"]}})
    panel.get_by_role("button", name="Restart 1 engine now").click()
    step = panel.get_by_test_id("renewal-step")
    expect(step).to_contain_text("The one before serves on.")
    step.get_by_text("What it said last").click()
    expect(step).to_contain_text("none.gguf")
    assert server.ask("GET", f"/api/models/{MODEL}")[1]["engine"]["pid"] == model["engine"]["pid"]
    server.ask("DELETE", f"/api/models/{MODEL}")
    version = server.ask("GET", "/api/config")[1]["version"]
    server.ask("POST", "/api/config", {"version": version, "serverConfig": {"batchSize": None}})
    server.ask("POST", f"/api/models/{MODEL}/stop")


def test_files_of_an_older_dashboard_are_taken_over(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "llama-server-config.json"
    file.write_text(json.dumps({"host": "localhost", "port": 8134, "batch_size": 1024, "ctx_size": 8192}))
    page.goto("/configuration?tab=import")
    page.get_by_label("Configuration file").set_input_files(file)
    result = page.get_by_role("status", name="What was imported")
    expect(result.get_by_role("row", name=re.compile("Options for all models"))).to_contain_text("1024")
    expect(result.get_by_role("row", name=re.compile("^port"))).to_contain_text("--port")
    file.write_text("{ nothing")
    page.get_by_label("Configuration file").set_input_files(file)
    expect(page.get_by_role("alert")).to_contain_text("is not JSON")


def test_settings_of_the_server_name_their_source_and_ask_for_a_restart(page: Page, server: Server) -> None:
    page.goto("/settings")
    answers = page.get_by_test_id("option-slots")
    expect(answers).to_contain_text("Default.")
    page.get_by_label("Slots", exact=True).fill("900")
    expect(answers.get_by_role("alert")).to_contain_text("1 to 64")
    page.get_by_label("Slots", exact=True).fill("2")
    page.get_by_label("Queue", exact=True).fill("99")
    page.get_by_role("button", name="Save", exact=True).click()
    saved(page)
    assert "slots = 2" in (server.data / "corral.toml").read_text()
    expect(answers).to_contain_text("Set here")
    expect(page.get_by_test_id("option-queue")).to_contain_text("Counts after a restart of the server; until then 256")
    page.get_by_text("Set where the server is started", exact=True).click()
    expect(page.get_by_label("Port", exact=True)).to_be_disabled()
    for name in ("Slots", "Queue"):
        page.get_by_role("button", name=f"Reset {name}").click()
    page.get_by_role("button", name="Save", exact=True).click()
    saved(page)
    assert "slots" not in (server.data / "corral.toml").read_text()


def test_appearance_is_kept(watch: Watch, server: Server) -> None:
    page = watch.page(server.url)
    online(page)
    page.goto("/settings")
    page.get_by_role("group", name="Density").get_by_role("button", name="Compact").click()
    page.get_by_role("group", name="Theme").get_by_role("button", name="Dark").click()
    page.reload()
    expect(page.get_by_role("group", name="Density").get_by_role("button", name="Compact")).to_have_attribute(
        "aria-pressed", "true"
    )
    assert page.evaluate("document.documentElement.dataset.density") == "compact"
    assert page.evaluate("document.documentElement.dataset.mantineColorScheme") == "dark"


def test_the_memory_is_predicted_while_one_types(page: Page) -> None:
    options(page)
    memory = page.get_by_role("region", name="Predicted memory")
    expect(memory).to_contain_text("tokens")
    field(page, "Context").fill("8000")
    expect(memory).to_contain_text("8,000 tokens")
    memory.get_by_text("What takes the memory").click()
    expect(memory.get_by_role("row", name=re.compile("^Context"))).to_be_visible()
    memory.get_by_role("button", name="Use these").click()
    expect(field(page, "Context")).not_to_have_value("8000")
    page.get_by_role("searchbox", name="Search options").fill("cache-type-v")
    field(page, "V cache type").select_option("q8_0")
    page.get_by_role("searchbox", name="Search options").fill("flash-attn")
    field(page, "Flash attention").select_option("off")
    page.get_by_role("searchbox", name="Search options").fill("cache-type-v")
    expect(page.get_by_test_id("option-cacheTypeV").get_by_role("alert")).to_contain_text("flash attention")
    page.get_by_role("button", name="Discard").click()
