"""The commands as a person runs them: real processes against a real server."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pty
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.server import START_SECONDS, Server
from tests.support.waiting import eventually

COMMAND = [sys.executable, "-c", "from corral.cli.main import run; run()"]
LATER = {"message": "ping", "wait": False}


def unused_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def corral(*arguments: str, stdin: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], input=stdin or "", capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "COLUMNS": "200", **environ},
    )  # fmt: skip


def test_one_message_is_answered(shared_server: Server) -> None:
    done = corral("chat", "ping", "--url", shared_server.url, "--user", "cli-one")
    assert (done.returncode, done.stdout) == (0, "pong\n"), done.stderr


def test_a_message_comes_through_a_pipe_and_events_as_json(shared_server: Server) -> None:
    done = corral("chat", "--json", "--url", shared_server.url, "--user", "cli-pipe", stdin="ping")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["offset"] for event in events] == list(range(len(events)))
    assert "".join(event["text"] for event in events if event["type"] == "token") == "pong"


def test_a_refusal_says_why(shared_server: Server) -> None:
    done = corral("chat", "ping", "--url", shared_server.url, "--agent", "agt_none")
    assert done.returncode == 1
    assert "agt_none" in done.stderr or "conversation" in done.stderr


def test_no_server_is_said_with_what_to_do() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        for arguments in (("chat", "ping"), ("models", "list")):
            done = corral(*arguments, "--url", url)
            assert done.returncode == 6
            assert "corral serve" in done.stderr


def test_models_are_listed_shown_started_and_stopped(shared_server: Server) -> None:
    url = ("--url", shared_server.url)
    listed = corral("models", "list", *url)
    assert "corral-demo" in listed.stdout
    assert json.loads(corral("models", "list", "--json", *url).stdout)[0]["name"] == "corral-demo"
    assert "architecture" in corral("models", "show", "corral-demo", *url).stdout
    started = json.loads(corral("models", "start", "corral-demo", "--json", *url).stdout)
    assert started["state"] in ("ready", "busy")
    assert corral("models", "show", "nothing-like-it", *url).returncode == 1


def test_models_are_listed_from_the_folders_when_no_server_runs(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir(exist_ok=True)
    (tmp_path / "models" / "broken.gguf").write_bytes(b"GGUF and nothing")
    data = ("--data", str(tmp_path))
    listed = corral("models", "list", "--json", *data, PORT=unused_port())
    assert listed.returncode == 0
    assert "No server runs" in listed.stderr
    found = {model["name"]: model for model in json.loads(listed.stdout)}
    assert found["cria"]["state"] == "stopped"
    assert found["broken"]["problem"]
    assert "Q8_0" in corral("models", "show", "cria", *data, PORT=unused_port()).stdout
    unknown = corral("models", "show", "criaa", *data, PORT=unused_port())
    assert (unknown.returncode, "'cria'" in unknown.stderr) == (1, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models"]
    ill = corral("doctor", "--quick", *data, PORT=unused_port())
    assert ill.returncode == 1
    assert "model broken" in ill.stdout


def test_a_proxy_of_the_environment_is_not_asked(shared_server: Server) -> None:
    dead = f"http://127.0.0.1:{unused_port()}"
    done = corral("models", "list", "--url", shared_server.url, http_proxy=dead, HTTP_PROXY=dead)
    assert done.returncode == 0, done.stderr


def test_the_start_of_an_engine_is_told_on_a_terminal(tmp_path: Path) -> None:
    """A command that takes a while to be ready is followed until it is."""
    engine = Path(__file__).parents[1] / "fakes" / "fake_engine.py"
    command = [sys.executable, str(engine), "--port", "{port}", "--key", "{key}"]
    (tmp_path / "corral.toml").write_text(
        f"[engines.slow]\ncommand = {json.dumps([*command, '--load', '3'])}\n"
        f"[engines.ill]\ncommand = {json.dumps([*command, '--say', 'no memory left', '--exit', '3'])}\n"
    )
    server = Server(tmp_path)
    server.start()
    started, terminal = in_terminal("models", "start", "slow", "--url", server.url)
    try:
        expect(terminal, "loading")
        expect(terminal, "slow: ready")
        assert started.wait(START_SECONDS) == 0
        failed = corral("models", "start", "ill", "--url", server.url)
        assert failed.returncode == 1
        assert "no memory left" in failed.stderr
    finally:
        started.kill()
        os.close(terminal)
        server.stop()


def test_settings_are_shown_with_where_they_came_from(tmp_path: Path) -> None:
    (tmp_path / "corral.toml").write_text('default_model = "mine"\ndatabase_url = "postgresql://me:secret@h/d"\n')
    done = corral("config", "show", "--json", "--data", str(tmp_path), CORRAL_SLOTS="7")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["default_model"]["source"].endswith("corral.toml")
    assert (rows["slots"]["value"], rows["slots"]["source"]) == (7, "CORRAL_SLOTS")
    assert rows["data"]["source"] == "flag"
    assert "secret" not in done.stdout
    assert corral("config", "path", "--data", str(tmp_path)).stdout.strip() == str(tmp_path / "corral.toml")
    (tmp_path / "corral.toml").write_text("slotz = 3\n")
    wrong = corral("config", "check", "--data", str(tmp_path))
    assert wrong.returncode == 2
    assert "'slots'" in wrong.stderr


def test_the_doctor_finds_what_is_wrong(tmp_path: Path) -> None:
    well = corral("doctor", "--json", "--data", str(tmp_path / "new"), PORT="0")
    assert well.returncode == 0, well.stdout + well.stderr
    found = {finding["name"]: finding for finding in json.loads(well.stdout)}
    assert "Hello" in found["engine"]["text"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ill = corral("doctor", "--quick", "--data", str(tmp_path), PORT=str(taken.getsockname()[1]))
    assert ill.returncode == 1
    assert "PROBLEM" in ill.stdout
    broken = corral("doctor", "--quick", CORRAL_SLOTS="many")
    assert broken.returncode == 1
    assert "slots" in broken.stdout


@pytest.mark.parametrize(
    ("arguments", "environ", "code"),
    [
        (("serve", "--host", "0.0.0.0"), {}, 4),
        (("serve",), {"CORRAL_SLOTS": "0"}, 2),
        (("serve",), {"CORRAL_PROT": "1"}, 2),
        (("serve", "--port", "70000"), {}, 2),
        (("nonsense",), {}, 2),
    ],
)
def test_exit_codes(tmp_path: Path, arguments: tuple[str, ...], environ: dict[str, str], code: int) -> None:
    assert (
        corral(*arguments, *(("--data", str(tmp_path)) if arguments[0] == "serve" else ()), **environ).returncode
        == code
    )


def test_a_port_and_a_data_folder_in_use_are_told(shared_server: Server, tmp_path: Path) -> None:
    port = shared_server.url.rsplit(":", 1)[1]
    taken = corral("serve", "--port", port, "--data", str(tmp_path))
    assert taken.returncode == 5
    assert port in taken.stderr
    used = corral("serve", "--port", "0", "--data", str(shared_server.data))
    assert used.returncode == 3
    assert str(shared_server.process.pid if shared_server.process else "") in used.stderr


def test_a_chat_goes_on_after_the_server_was_killed(tmp_path: Path, slow_model: Path) -> None:
    (tmp_path / "models").mkdir(exist_ok=True)
    (tmp_path / "models" / "slow.gguf").symlink_to(slow_model)
    port = unused_port()
    server = Server(tmp_path)
    bounds = {"CORRAL_MAX_ANSWER_TOKENS": "80"}
    server.start(port=port, **bounds)
    chat = subprocess.Popen(
        [*COMMAND, "chat", "a long story", "--model", "slow", "--url", f"http://127.0.0.1:{port}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert chat.stdout is not None
    assert chat.stderr is not None
    try:
        begun = chat.stdout.read(60)
        server.kill()
        server.start(port=port, **bounds)
        rest = chat.stdout.read()
        assert chat.wait(START_SECONDS) == 0, chat.stderr.read()
        agent = server.ask("GET", "/api/agents")[1]["agents"][0]["id"]
        stored = server.ask("GET", f"/api/agents/{agent}/messages")[1]["messages"][-1]["content"]
    finally:
        chat.kill()
        server.stop()
    assert (begun + rest).strip() == stored.strip()
    assert len(stored) > 150


def test_ctrl_c_stops_the_answer_and_the_conversation_goes_on(tmp_path: Path, slow_model: Path) -> None:
    (tmp_path / "models").mkdir(exist_ok=True)
    (tmp_path / "models" / "slow.gguf").symlink_to(slow_model)
    server = Server(tmp_path)
    server.start()
    chat, terminal = in_terminal("chat", "--model", "slow", "--url", server.url)
    try:
        expect(terminal, "/help")
        os.write(terminal, b"/nonsense\n")
        expect(terminal, "no command")
        os.write(terminal, b"a long story\n")
        expect(terminal, "A day at the corral")
        os.write(terminal, b"\x03")
        expect(terminal, "(stopped)")
        os.write(terminal, b"/delete\n")
        expect(terminal, "brings it back")
        os.write(terminal, b"/undo\n")
        expect(terminal, "is back")
        os.write(terminal, b"ping\n")
        expect(terminal, "pong")
        os.write(terminal, b"/quit\n")
        assert chat.wait(START_SECONDS) == 0
    finally:
        chat.kill()
        os.close(terminal)
        server.stop()


def in_terminal(*arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    """The command with a terminal of its own, and that terminal."""
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=lambda: _control(theirs), env={**os.environ, "TERM": "dumb", "COLUMNS": "200"},  # noqa: PLW1509
    )  # fmt: skip
    os.close(theirs)
    return process, terminal


def _control(terminal: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def expect(terminal: int, text: str) -> None:
    """Reads the terminal until `text` was shown. Raises AssertionError."""
    seen = ""
    deadline = time.monotonic() + START_SECONDS
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"{text!r} was not shown, but {seen!r}"
        seen += os.read(terminal, 4096).decode("utf-8", "replace")


def test_sigterm_lets_a_running_answer_finish(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    assert server.process is not None
    events: list[dict[str, object]] = []
    for event in server.events("/api/chat", {"message": "a long story", "stream": True}):
        if event["type"] == "token" and not any(one["type"] == "token" for one in events):
            server.process.send_signal(signal.SIGTERM)
        events.append(event)
    assert events[-1]["type"] == "end"
    assert events[-1]["state"] == "completed"
    assert server.wait() == 0


async def test_a_second_signal_ends_at_once_and_leaves_no_engine(tmp_path: Path) -> None:
    teller = [sys.executable, str(ROOT / "tests" / "fakes" / "storyteller.py"), "--port", "{port}"]
    (tmp_path / "corral.toml").write_text(f"[engines.teller]\ncommand = {json.dumps(teller)}\n")
    server = Server(tmp_path)
    server.start(CORRAL_STOP_GRACE="300")
    assert server.process is not None
    engine = 0
    try:
        # Its answer stops after three words, so that only a signal ends it.
        with contextlib.suppress(OSError, http.client.HTTPException):
            for event in server.events("/api/chat", {"message": "hold=3", "model": "teller", "stream": True}):
                if event["type"] == "token" and not engine:
                    engine = server.ask("GET", "/api/models/teller")[1]["engine"]["pid"]
                    server.process.send_signal(signal.SIGTERM)
                    # Two signals at once would be one; the server has heard the first when it takes no more work.
                    await eventually(lambda: server.ask("POST", "/api/chat", LATER)[0] == 503)
                    server.process.send_signal(signal.SIGTERM)
                assert event["type"] != "end"
        assert server.wait() == 1
        await eventually(lambda: not alive(engine))
    finally:
        server.process.kill()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_data_of_a_newer_version_is_refused_with_the_reason(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    server.stop()
    fine = corral("doctor", "--quick", "--json", "--data", str(tmp_path), PORT=unused_port())
    assert "schema" in {row["name"]: row["text"] for row in json.loads(fine.stdout)}["database"]
    with contextlib.closing(sqlite3.connect(tmp_path / "corral.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    ill = corral("doctor", "--quick", "--data", str(tmp_path), PORT=unused_port())
    assert ill.returncode == 1
    assert "newer Corral" in ill.stdout
    refused = corral("serve", "--port", "0", "--data", str(tmp_path))
    assert refused.returncode == 1
    assert "newer Corral" in refused.stderr


def test_a_reader_that_leaves_ends_the_command_quietly(shared_server: Server) -> None:
    command = [*COMMAND, "chat", "a long story", "--url", shared_server.url, "--user", "cli-head"]
    chat = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert chat.stdout is not None
    assert chat.stderr is not None
    chat.stdout.read(5)
    chat.stdout.close()
    told = chat.stderr.read()
    assert chat.wait(START_SECONDS) == 1
    assert "Traceback" not in told
