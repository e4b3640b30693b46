"""What may stand in a log line."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.kit.context import request_id
from corral.telemetry import configure_logging, get_logger
from corral.telemetry.logging import escape_controls, redact


@pytest.mark.parametrize(
    "name", ["authorization", "Cookie", "api_key", "apiKey", "password", "client_secret", "access_token"]
)
def test_values_under_secret_names_are_masked(name: str) -> None:
    assert redact(None, "", {name: "hunter2hunter2"}) == {name: "***"}


def test_bearer_tokens_and_keys_are_masked_wherever_they_stand() -> None:
    event = redact(None, "", {"event": "sent Authorization: Bearer abcdef.123456 with sk-abcdefgh123"})
    assert "abcdef" not in str(event["event"])


def test_no_text_from_outside_can_forge_a_line() -> None:
    event = escape_controls(None, "", {"event": "a\nb\r\x1b[31m", "n": 3})
    assert event == {"event": "a\\nb\\r\\x1b[31m", "n": 3}


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Gives what was logged so far; afterwards the root logger is as before."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield lambda: capsys.readouterr().err
    root.handlers[:], root.level = before, level


def test_a_line_is_json_with_the_request_id(written: Callable[[], str]) -> None:
    token = request_id.set("req_7")
    try:
        configure_logging("info", as_json=True)
        get_logger("corral.test").info("something", model="m", token="abc")
        logging.getLogger("other").warning("plain %s", "line")
    finally:
        request_id.reset(token)
    first, second = (json.loads(line) for line in written().splitlines())
    assert (first["event"], first["request_id"], first["model"], first["token"]) == ("something", "req_7", "m", "***")
    assert second["event"] == "plain line"


def test_secrets_are_masked_however_deep_they_lie() -> None:
    event = redact(None, "", {"headers": [{"Authorization": "hunter2hunter2", "accept": "x"}], "n": 3})
    assert event == {"headers": [{"Authorization": "***", "accept": "x"}], "n": 3}


def test_the_password_of_an_address_is_masked() -> None:
    event = redact(None, "", {"event": "no postgresql://corral:hunter2@db/x and http://[::1]:80/a@b"})
    assert event["event"] == "no postgresql://corral:***@db/x and http://[::1]:80/a@b"


@given(st.text())
def test_whatever_is_logged_is_one_line(text: str) -> None:
    shown = str(escape_controls(None, "", {"event": text})["event"])
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown


@pytest.mark.parametrize("as_json", [True, False])
def test_a_trace_hides_secrets_and_forges_nothing(written: Callable[[], str], as_json: bool) -> None:
    configure_logging("info", as_json=as_json)
    try:
        raise ValueError("Bearer abcdef.123456\n2026-01-01 [info] all is well\x1b[2J")
    except ValueError:
        logging.getLogger("corral.test").exception("it broke")
    lines = written()
    assert "Traceback" in lines
    assert "abcdef" not in lines
    assert "\x1b[2J" not in lines
    assert not any(line.startswith("2026-01-01 [info] all") for line in lines.splitlines())
