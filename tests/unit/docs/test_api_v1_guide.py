"""The commands of the guide to `/api/v1` run as they stand there, and say what it says that they do."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests.conftest import ROOT
from tests.support.server import Server

PAGE = (ROOT / "docs" / "guides" / "api-v1.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SAYS = [
    ('"text"', '"pong"'),
    ('"json"', '"age"'),
    ("event: token", "event: complete"),
    ('"models"', '"cria"'),
    ('"id"', '"cria"'),
    ('"status"', '"ok"'),
    ("fields_invalid", '"temperature"'),
]


def test_every_command_is_known() -> None:
    assert len(COMMANDS) == len(SAYS)
    assert all("127.0.0.1:3000" in one and " -m " in one for one in COMMANDS)


@pytest.mark.parametrize("number", range(len(SAYS)))
def test_a_command_runs(shared_server: Server, number: int) -> None:
    command = COMMANDS[number].replace("http://127.0.0.1:3000", shared_server.url)
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=150, check=False)
    assert ran.returncode == 0, ran.stderr
    for word in SAYS[number]:
        assert word in ran.stdout
    if not ran.stdout.startswith("event:"):
        told = json.loads(ran.stdout)
        assert set(told) == {"success", "metadata", "data" if told["success"] else "error"}
