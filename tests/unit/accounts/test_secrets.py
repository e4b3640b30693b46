"""Sealing secrets: only the right key opens, only for the right row, and every failure says what to do."""

from __future__ import annotations

import base64
import secrets as random
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from corral.accounts.secrets import KEY_FILE, MasterKey, Secrets, hint, make_key
from corral.kit.errors import SecretUnreadable, StorageUnavailable
from corral.settings import Settings


def made(folder: Path, **settings: object) -> Secrets:
    return Secrets(Settings.model_validate(settings), folder)


def key() -> str:
    return base64.b64encode(random.token_bytes(32)).decode()


@given(
    st.text(max_size=300).filter(lambda text: text.isprintable()),
    st.text(max_size=60).filter(lambda text: text.isprintable()),
)
def test_what_was_sealed_opens_again_for_the_same_row_alone(
    tmp_path_factory: pytest.TempPathFactory, text: str, about: str
) -> None:
    one = made(tmp_path_factory.getbasetemp(), master_key="ab" * 32)
    sealed = one.seal(text, about)
    assert one.open(sealed, about) == text
    assert text == "" or text.encode() not in sealed or len(text) < 3
    with pytest.raises(SecretUnreadable, match="another row"):
        one.open(sealed, about + "x")


@given(st.integers(0, 70), st.integers(1, 255))
def test_a_changed_byte_anywhere_is_noticed(tmp_path_factory: pytest.TempPathFactory, at: int, other: int) -> None:
    one = made(tmp_path_factory.getbasetemp(), master_key="ab" * 32)
    sealed = bytearray(one.seal("x" * 40, "row"))
    sealed[at % len(sealed)] ^= other
    with pytest.raises(SecretUnreadable):
        one.open(bytes(sealed), "row")


def test_sealing_twice_gives_other_bytes(tmp_path: Path) -> None:
    one = made(tmp_path)
    assert one.seal("same", "row") != one.seal("same", "row")


def test_the_file_is_made_with_the_first_secret_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    one = made(folder)
    assert not (folder / KEY_FILE).exists()
    sealed = one.seal("secret", "row")
    assert (folder / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]
    assert made(folder).open(sealed, "row") == "secret"


def test_many_who_begin_at_once_end_up_with_one_key(tmp_path: Path) -> None:
    marks: list[bytes] = []
    threads = [threading.Thread(target=lambda: marks.append(make_key(tmp_path / "k").mark)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(marks) == 8
    assert len(set(marks)) == 1


def test_the_variable_goes_before_the_file_and_the_file_that_is_named_before_the_own_one(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text(key())
    (tmp_path / "other").write_text(key())
    (tmp_path / "other").chmod(0o600)
    sealed = made(tmp_path, master_key="cd" * 32, master_key_file=str(tmp_path / "other")).seal("a", "row")
    assert made(tmp_path, master_key="cd" * 32).open(sealed, "row") == "a"
    sealed = made(tmp_path, master_key_file=str(tmp_path / "other")).seal("b", "row")
    with pytest.raises(SecretUnreadable, match="another master key"):
        made(tmp_path).open(sealed, "row")


def test_another_key_says_where_to_put_the_old_one_back_and_both_together_open(tmp_path: Path) -> None:
    old, new = key(), key()
    sealed = made(tmp_path, master_key=old).seal("secret", "row")
    with pytest.raises(SecretUnreadable, match=r"mark [0-9a-f]{8}.*CORRAL_MASTER_KEY.*enter it again"):
        made(tmp_path, master_key=new).open(sealed, "row")
    both = made(tmp_path, master_key=f"{new},{old}")
    assert both.open(sealed, "row") == "secret"
    assert not both.current(sealed)
    assert both.current(both.seal("secret", "row"))


def test_a_lost_file_is_told_and_no_new_one_is_made_by_opening(tmp_path: Path) -> None:
    sealed = made(tmp_path).seal("secret", "row")
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(SecretUnreadable, match=r"master\.key"):
        made(tmp_path).open(sealed, "row")
    assert not (tmp_path / KEY_FILE).exists()


@pytest.mark.parametrize("text", ["short", "zz" * 32, "ab" * 31, "ä" * 44])
def test_what_is_no_key_is_refused_without_being_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(SecretUnreadable, match="32 bytes") as refused:
        made(tmp_path, master_key=text).seal("a", "row")
    assert text not in str(refused.value)


def test_an_empty_an_endless_and_a_missing_named_file_are_told(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("\n")
    with pytest.raises(SecretUnreadable, match="is empty"):
        made(tmp_path).seal("a", "row")
    (tmp_path / KEY_FILE).write_text("x" * 20_000)
    with pytest.raises(SecretUnreadable, match="too long"):
        made(tmp_path).seal("a", "row")
    with pytest.raises(SecretUnreadable, match="openssl rand"):
        made(tmp_path, master_key_file=str(tmp_path / "none")).seal("a", "row")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable):
        make_key(tmp_path / "file" / "below")


def test_a_key_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text(key())
    (tmp_path / KEY_FILE).chmod(0o644)
    with capture_logs() as lines:
        made(tmp_path).seal("a", "row")
    assert [line["event"] for line in lines] == ["master_key_readable_by_others"]


def test_a_key_does_not_show_itself() -> None:
    value = bytes(range(32))
    shown = repr(MasterKey(value))
    assert value.hex()[:8] not in shown
    assert base64.b64encode(value).decode()[:6] not in shown


@pytest.mark.parametrize(
    ("secret", "shown"), [("sk-0123456789abcdef", "cdef"), ("0123456789ab", "9ab"), ("abc", ""), ("", "")]
)
def test_a_hint_is_short(secret: str, shown: str) -> None:
    assert hint(secret) == shown
