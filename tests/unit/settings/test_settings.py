"""Where a setting comes from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from corral.kit.errors import StartupError
from corral.settings import describe, is_loopback, load_settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults_are_loopback_and_port_3000() -> None:
    sourced = load_settings(environ={})
    assert (sourced.settings.host, sourced.settings.port) == ("127.0.0.1", 3000)
    assert set(sourced.sources.values()) == {"default"}


def test_the_later_source_wins_and_is_named(tmp_path: Path) -> None:
    config = tmp_path / "corral.toml"
    config.write_text('port = 1\nslots = 2\nlog_level = "debug"\n')
    environ = {"CORRAL_PORT": "3", "CORRAL_LOG_LEVEL": "error", "HOME": "/x"}
    sourced = load_settings({"port": 4, "host": None}, environ=environ)
    assert (sourced.settings.port, sourced.settings.slots, sourced.settings.log_level) == (4, 2, "error")
    assert sourced.sources["port"] == "flag"
    assert sourced.sources["slots"] == "corral.toml"
    assert sourced.sources["log_level"] == "CORRAL_LOG_LEVEL"


def test_the_file_of_the_data_folder_goes_before_the_one_here(tmp_path: Path) -> None:
    (tmp_path / "corral.toml").write_text("port = 1\n")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "corral.toml").write_text("port = 2\n")
    assert load_settings({"data": tmp_path / "kept"}, environ={}).settings.port == 2


def test_port_is_read_and_yields_to_the_longer_name() -> None:
    assert load_settings(environ={"PORT": "81"}).settings.port == 81
    assert load_settings(environ={"PORT": "81", "CORRAL_PORT": "82"}).settings.port == 82


@pytest.mark.parametrize(
    ("toml", "parts"),
    [
        ("prot = 1", ["unknown setting 'prot'", "Did you mean 'port'?"]),
        ("port = 70000", ["port", "less than or equal to 65535", "corral.toml"]),
        ("port = ", ["not valid TOML"]),
        ('[engines.a]\nurl = "http://x"\ncommand = ["y"]', ["engines.a", "exactly one of"]),
        ('[engines.a]\nurl = "http://x"\nslotz = 3', ["Did you mean 'slots'?"]),
    ],
)
def test_a_bad_file_is_refused_with_the_field_named(tmp_path: Path, toml: str, parts: list[str]) -> None:
    (tmp_path / "corral.toml").write_text(toml)
    with pytest.raises(StartupError) as caught:
        load_settings(environ={})
    assert caught.value.exit_code == 2
    for part in parts:
        assert part in caught.value.message


def test_an_unknown_variable_is_refused_with_a_suggestion() -> None:
    with pytest.raises(StartupError, match="Did you mean 'CORRAL_PORT'"):
        load_settings(environ={"CORRAL_PROT": "1"})


def test_a_named_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="cannot be read"):
        load_settings(environ={}, config=tmp_path / "none.toml")


def test_describe_masks_secrets(tmp_path: Path) -> None:
    (tmp_path / "corral.toml").write_text(
        'database_url = "postgresql://u:secret@h/d"\n[engines.a]\nurl = "http://x"\napi_key = "secret"\n'
    )
    rows = describe(load_settings(environ={}))
    assert "secret" not in repr(rows)
    assert {"name", "value", "source", "help"} == set(rows[0])
    assert all(row["help"] for row in rows)


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
