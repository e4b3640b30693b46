"""What may stand in a log line."""

from __future__ import annotations

import io
import json
import logging

import pytest

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


def test_a_line_is_json_with_the_request_id(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    token = request_id.set("req_7")
    try:
        configure_logging("info", as_json=True)
        get_logger("corral.test").info("something", model="m", token="abc")
        logging.getLogger("other").warning("plain %s", "line")
    finally:
        request_id.reset(token)
        root.handlers[:], root.level = before, level
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["event"], first["request_id"], first["model"], first["token"]) == ("something", "req_7", "m", "***")
    assert second["event"] == "plain line"
