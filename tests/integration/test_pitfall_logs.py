"""Pitfall 37: what is written down about requests holds neither keys nor, unless asked, what people say."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from itertools import product
from pathlib import Path

import pytest

from tests.support.gateway import ELSEWHERE, KEY, LOCAL, Gateway, gateway, model_of
from tests.support.wire_clients import PATHS, Call, body_of

EVERYWHERE = (*ELSEWHERE, "local")
SAID = "canary-said-in-a-prompt"
TOLD = "canary-told-in-an-answer"
OF_CLIENT = "canary-key-of-the-client"
SECRETS = {"the provider's key": KEY, "the client's key": OF_CLIENT, "a prompt": SAID, "an answer": TOLD}
ECHO = json.dumps(
    {"error": {"message": f"Incorrect API key provided: {KEY}. You said: {SAID}", "type": "invalid", "code": "x"}}
)
ACTS: dict[str, dict[str, object]] = {
    "well": {},
    "a refusal that repeats the key": {"status": 401, "body": ECHO},
    "a bad request that repeats the prompt": {"status": 400, "body": ECHO},
    "a failure that repeats both": {"status": 500, "body": ECHO},
    "an error inside a good status": {"first_after": 0, "after": 0, "then": "error", "error": json.loads(ECHO)},
    "an error in the middle that repeats both": {"after": 1, "then": "error", "error": json.loads(ECHO)},
    "cut in the middle": {"after": 1, "then": "close"},
    "no HTTP at all": {"before": "garbage"},
    "not even JSON": {"content_type": "text/html"},
}  # fmt: skip


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A server that logs all it can."""
    with gateway(tmp_path_factory.mktemp("talkative"), CORRAL_LOG_LEVEL="debug") as made:
        yield made


def asked(made: Gateway, path: str, body: object) -> bytes:
    """The answer to a client with a key of its own; nothing when the connection breaks."""
    headers = {"authorization": f"Bearer {OF_CLIENT}", "x_api_key": OF_CLIENT, "cookie": f"session={OF_CLIENT}"}
    with suppress(OSError, HTTPException):
        return Call(made.server.url, path, body, **headers).read()
    return b""


def written(data: Path) -> str:
    """Everything that is in the log files."""
    return "\n".join(file.read_text(errors="replace") for file in sorted((data / "logs").rglob("*")) if file.is_file())


def test_pitfall_37_what_is_written_down_holds_no_key_and_no_prompt(talkative: Gateway) -> None:
    answers: list[bytes] = []
    for act in ACTS.values():
        for kind in ELSEWHERE:
            talkative.providers[kind].script({"text": TOLD, **act})
        for (dialect, path), stream in product(PATHS.items(), (False, True)):
            with ThreadPoolExecutor(len(EVERYWHERE)) as pool:
                bodies = [body_of(dialect, model_of(kind), SAID, stream=stream) for kind in EVERYWHERE]
                answers += pool.map(partial(asked, talkative, path), bodies)
    for path in PATHS.values():
        asked(talkative, path, f'{{"model": "{LOCAL}", "messages": "{SAID}", "stream": "{SAID}"}}'.encode())
        asked(talkative, path, f'{{"{SAID}'.encode())
        asked(talkative, f"{path}?api_key={OF_CLIENT}", {"model": SAID})
    assert any(TOLD.encode() in answer for answer in answers)
    assert not [answer for answer in answers if KEY.encode() in answer], "an answer holds the provider's key"

    places = {"the log files": written(talkative.server.data)}
    assert '"debug"' in places["the log files"]
    for path in ("/metrics", "/api/usage?by=model", "/api/providers", "/api/routes", "/api/logs?limit=500"):
        with urllib.request.urlopen(talkative.server.url + path, timeout=60) as answer:
            places[path] = answer.read().decode()
    for place, text in places.items():
        for name, secret in SECRETS.items():
            lines = [line[:300] for line in text.splitlines() if secret in line]
            assert not lines, f"{place} hold {name}, {len(lines)} times: {lines[0]}"
