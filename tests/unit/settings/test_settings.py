"""Where a setting comes from, and what is refused."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from corral.kit.errors import InvalidRequest, StartupError
from corral.settings import Settings, change_file, describe, is_loopback, load_settings


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


VALUES = {
    "port": st.integers(0, 65535),
    "slots": st.integers(1, 64),
    "queue": st.integers(0, 100_000),
    "log_level": st.sampled_from(["debug", "info", "warning", "error"]),
    "log_json": st.booleans(),
    "default_model": st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True),
}
chosen = st.fixed_dictionaries({}, optional=VALUES)


@given(in_file=chosen, in_environment=chosen, as_flags=chosen)
def test_the_last_source_wins_for_every_setting(
    elsewhere: Path, in_file: dict[str, Any], in_environment: dict[str, Any], as_flags: dict[str, Any]
) -> None:
    # JSON's numbers, strings and booleans are TOML's too.
    (elsewhere / "corral.toml").write_text("".join(f"{name} = {json.dumps(v)}\n" for name, v in in_file.items()))
    environ = {f"CORRAL_{name.upper()}": str(value) for name, value in in_environment.items()}
    sourced = load_settings(as_flags, environ=environ)
    for name in VALUES:
        value, source = getattr(Settings(), name), "default"
        for values, where in ((in_file, "corral.toml"), (in_environment, f"CORRAL_{name.upper()}"), (as_flags, "flag")):
            if name in values:
                value, source = values[name], where
        assert (getattr(sourced.settings, name), sourced.sources[name]) == (value, source)


@given(name=st.sampled_from(sorted(Settings.model_fields)), place=st.integers(0, 30), letter=st.sampled_from("qxz_"))
def test_one_wrong_letter_is_answered_with_the_right_name(elsewhere: Path, name: str, place: int, letter: str) -> None:
    place %= len(name)
    wrong = name[:place] + letter + name[place + 1 :]
    assume(wrong not in Settings.model_fields)
    (elsewhere / "corral.toml").write_text(f"{wrong} = 1\n")
    with pytest.raises(StartupError, match=f"unknown setting '{wrong}'. Did you mean '{name}'"):
        load_settings(environ={})


@given(raw=st.binary(max_size=200))
def test_any_file_is_read_or_refused_with_its_name(elsewhere: Path, raw: bytes) -> None:
    (elsewhere / "corral.toml").write_bytes(raw)
    try:
        load_settings(environ={})
    except StartupError as error:
        assert error.exit_code == 2
        assert "corral.toml" in error.message or error.message.startswith("Settings")


@pytest.mark.parametrize(
    ("text", "size"),
    [("12GiB", 12 << 30), ("1.5 g", 3 << 29), ("800M", 800 << 20), ("104857600", 100 << 20), ("70000kb", 70000 << 10)],
)
def test_sizes_may_be_said_in_words(elsewhere: Path, text: str, size: int) -> None:
    assert load_settings(environ={"CORRAL_MEMORY_BUDGET": text}).settings.memory_budget == size


@pytest.mark.parametrize("text", ["much", "12 parsecs", "-1", "1MiB"])
def test_a_size_that_is_none_is_refused(elsewhere: Path, text: str) -> None:
    with pytest.raises(StartupError, match="memory_budget"):
        load_settings(environ={"CORRAL_MEMORY_BUDGET": text})


def test_a_change_is_written_and_the_rest_of_the_file_stays(tmp_path: Path) -> None:
    config = tmp_path / "corral.toml"
    config.write_text('# mine\nslots = 2\nport = 1\n[engines.big]\nurl = "http://big"\n')
    config.chmod(0o640)
    sourced = load_settings({"data": tmp_path}, environ={"CORRAL_QUEUE": "9"})
    changed = change_file(sourced, {"slots": 8, "port": None, "models": ["/a b", "/c"], "default_model": "big"})
    assert config.read_text().startswith('# mine\nslots = 8\nmodels = ["/a b", "/c"]\ndefault_model = "big"\n[engines')
    assert config.stat().st_mode & 0o777 == 0o640
    assert (changed.sources["slots"], changed.sources["port"]) == (str(config), "default")
    assert changed.sources["queue"] == "CORRAL_QUEUE"
    assert load_settings({"data": tmp_path}, environ={"CORRAL_QUEUE": "9"}) == changed
    assert [path.name for path in tmp_path.iterdir()] == ["corral.toml"]


def test_texts_are_written_as_what_they_mean(tmp_path: Path) -> None:
    texts = {"slots": "8", "log_json": "yes", "models": "/a,/b", "start_stall": "2.5", "memory_budget": "2GiB"}
    change_file(load_settings({"data": tmp_path}, environ={}), texts)
    kept = tomllib.loads((tmp_path / "corral.toml").read_text())
    assert kept == {
        "slots": 8, "log_json": True, "models": ["/a", "/b"], "start_stall": 2.5, "memory_budget": 2 * 1024**3,
    }  # fmt: skip


def test_a_first_change_makes_the_file(tmp_path: Path) -> None:
    sourced = load_settings({"data": tmp_path / "data"}, environ={})
    changed = change_file(sourced, {"slots": 8})
    assert changed.file == tmp_path / "data" / "corral.toml"
    assert load_settings({"data": tmp_path / "data"}, environ={}).settings.slots == 8


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [("slot", 3, "slots"), ("slots", 0, "greater"), ("slots", "many", "integer"), ("host", "0.0.0.0", "who can reach"),
     ("queue", 3, "CORRAL_QUEUE"), ("port", 99999, "less"), ("engines", {}, "programs"), ("data", "/x", "folder")],
)  # fmt: skip
def test_a_refused_change_says_why_and_leaves_the_file(tmp_path: Path, name: str, value: Any, reason: str) -> None:
    config = tmp_path / "corral.toml"
    config.write_text("slots = 2\n")
    sourced = load_settings({"data": tmp_path}, environ={"CORRAL_QUEUE": "9"})
    with pytest.raises(InvalidRequest) as caught:
        change_file(sourced, {name: value, "log_json": True})
    assert reason in (caught.value.details or {})["fields"][name]
    assert config.read_text() == "slots = 2\n"


def test_providers_routes_and_limits_are_read_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "corral.toml").write_text(
        '[providers.cloud]\nkind = "openai"\nbase_url = "https://api.example.com/v1/"\napi_key_env = "A_KEY"\n'
        'models = ["one", { name = "two", context_length = 7, prices = { input = 1.5 } }]\n'
        '[routes."my model"]\ncandidates = ["cloud/one", { provider = "local", model = "qwen", weight = 2 }]\nstrategy = "weighted"\n'
        '[[limits]]\nscope = "user"\nsubject = "*"\nbudget_day = 2.5\n'
    )
    found = load_settings(environ={"A_KEY": "sk-secret"})
    provider = found.settings.providers["cloud"]
    assert (provider.base_url, provider.api_key_env) == ("https://api.example.com/v1", ("A_KEY",))
    assert [(one.name, one.context_length) for one in provider.models] == [("one", None), ("two", 7)]
    route = found.settings.routes["my model"]
    assert [(one.provider, one.model, one.weight) for one in route.candidates] == [
        ("cloud", "one", 1),
        ("local", "qwen", 2),
    ]
    assert (found.settings.limits[0].scope, found.settings.limits[0].budget_day) == ("user", 2.5)
    assert "sk-secret" not in json.dumps(describe(found))


@pytest.mark.parametrize(
    ("toml", "parts"),
    [
        ('[providers.cloud]\nkind = "openai"\nbase_urll = "https://x"', ["providers.cloud.base_urll", "Did you mean 'base_url'?"]),
        ('[providers.Cloud]\nkind = "openai"', ["providers.Cloud", "small letters"]),
        ('[providers.local]\nkind = "openai"', ["providers", "engines of this machine"]),
        ('[providers.cloud]\nkind = "openai"\nbase_url = "http://169.254.169.254"', ["providers.cloud.base_url", "link-local"]),
        ("[routes.smart]\ncandidates = []", ["routes.smart.candidates"]),
        ('[routes.smart]\ncandidates = ["gpt"]', ["routes.smart.candidates.0", "provider/model"]),
        ('[[limits]]\nscope = "user"', ["limits.0", "subject"]),
        ("[[limits]]\nscope = \"all\"\nrequests = 1", ["limits.0.requests", "Did you mean 'requests_per_minute'?"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_them_is_told(tmp_path: Path, toml: str, parts: list[str]) -> None:
    (tmp_path / "corral.toml").write_text(toml)
    with pytest.raises(StartupError) as refused:
        load_settings(environ={})
    for part in parts:
        assert part in refused.value.message, refused.value.message


def test_the_master_key_is_a_secret_of_the_environment(tmp_path: Path) -> None:
    found = load_settings(environ={"CORRAL_MASTER_KEY": "k" * 44, "CORRAL_MASTER_KEY_FILE": "/run/key"})
    assert (found.settings.master_key, found.settings.master_key_file) == ("k" * 44, Path("/run/key"))
    assert "kkkk" not in json.dumps(describe(found)) + repr(found.settings)
    for name in ("master_key", "master_key_file", "providers", "routes", "limits"):
        with pytest.raises(InvalidRequest):
            change_file(load_settings(environ={}), {name: "x"})
