"""What the doctor says of the master key: missing, readable by others, somebody else's, spoiled, or another one than was used."""

from __future__ import annotations

import base64
import os
import secrets as random
from pathlib import Path

import pytest

from corral.accounts.secrets import Secrets
from corral.cli.master_key import master_key
from corral.providers.directory.keys import KeyRow, put_key, seal
from corral.providers.directory.tables import providers
from corral.settings import Settings
from corral.store import Database, Location

KEY = ("key_1", "prv_1")


def new_key() -> str:
    return base64.b64encode(random.token_bytes(32)).decode()


def settings(data: Path, **more: object) -> Settings:
    return Settings.model_validate({"data": data, **more})


async def store(data: Path, **more: object) -> None:
    """A database with a key of a provider, sealed under the master key of the settings."""
    sealed = seal(Secrets(settings(data, **more), data), KEY, "sk-1234567890", "https://api.example.com/v1")
    database = await Database.open(Location(data / "corral.db"))
    values = {
        "id": KEY[1], "name": "cloud", "kind": "openai", "options": "{}", "enabled": True, "version": 1, "created_at": 1,
        "updated_at": 1, "updated_by": "ann",
    }  # fmt: skip
    await database.write(lambda connection: connection.execute(providers.insert().values(**values)))
    row = KeyRow(*KEY, "work", sealed, "7890", 0, 1)
    await database.write(lambda connection: put_key(connection, row))
    await database.close()


def said(given: Settings) -> list[tuple[str, str, str]]:
    return list(master_key(given))


async def test_a_key_that_opens_everything_is_well(tmp_path: Path) -> None:
    assert said(settings(tmp_path)) == [("ok", "made with the first key of a provider", "")]
    assert not (tmp_path / "master.key").exists()
    await store(tmp_path)
    assert said(settings(tmp_path)) == [("ok", f"{tmp_path}/master.key opens 1 stored key of a provider", "")]


async def test_what_is_missing_or_another_says_which_keys_are_lost_and_what_to_do(tmp_path: Path) -> None:
    await store(tmp_path)
    file = tmp_path / "master.key"
    kept = file.read_text()
    file.unlink()
    [(level, text, remedy)] = said(settings(tmp_path))
    assert (level, text) == ("problem", f"{file} is missing, so 1 stored key of a provider cannot be opened.")
    assert "backup" in remedy
    file.write_text(new_key())
    file.chmod(0o600)
    [(level, text, remedy)] = said(settings(tmp_path))
    assert (level, "work (…7890)" in text, "another master key" in text, str(file) in remedy) == (
        "problem",
        True,
        True,
        True,
    )
    file.write_text(f"{new_key()}\n{kept}")
    [(level, text, _)] = said(settings(tmp_path))
    assert (level, "under an older key" in text) == ("note", True)
    file.write_text("no key at all")
    [(level, text, _)] = said(settings(tmp_path))
    assert (level, "does not hold a master key" in text, "1 stored key" in text) == ("problem", True, True)
    file.write_text("")
    assert "is empty" in said(settings(tmp_path))[0][1]


async def test_rights_and_owner_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await store(tmp_path)
    file = tmp_path / "master.key"
    file.chmod(0o644)
    first, second = said(settings(tmp_path))
    assert first[:2] == ("problem", f"{file} can be read by others (mode 0644).")
    assert "chmod 600" in first[2]
    assert second[0] == "ok"
    file.chmod(0o600)
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    first, second = said(settings(tmp_path))
    assert (first[0], "belongs to the user" in first[1], "chown" in first[2]) == ("problem", True, True)
    assert second[0] == "ok"


async def test_keys_of_the_environment_and_of_a_named_file(tmp_path: Path) -> None:
    key, place = new_key(), tmp_path / "elsewhere" / "key"
    [(level, text, remedy)] = said(settings(tmp_path, master_key_file=place))
    assert (level, str(place) in text, "openssl rand" in remedy) == ("problem", True, True)
    await store(tmp_path, master_key=key)
    assert said(settings(tmp_path, master_key=key))[0][:2] == (
        "ok",
        "CORRAL_MASTER_KEY opens 1 stored key of a provider",
    )
    assert said(settings(tmp_path, master_key=new_key()))[0][0] == "problem"
    # Without the variable it looks as if the key were lost, and says so.
    assert "is missing" in said(settings(tmp_path))[0][1]
    place.parent.mkdir()
    place.mkdir()
    assert said(settings(tmp_path, master_key_file=place))[0][:2] == ("problem", f"{place} is no file.")
