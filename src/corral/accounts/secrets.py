"""Secrets at rest: sealed under a master key (AES-256-GCM), each bound to the row it belongs to.

The master key is, in this order: `CORRAL_MASTER_KEY`, the file of `CORRAL_MASTER_KEY_FILE`, `DATA/master.key`, which is made with
the first secret and can only be read by its owner. A source may hold several keys, one a line: the first seals, all of them
open, so that a key can be changed without losing anything. A sealed secret begins with a mark of its key, which tells
nothing about it: with it a secret of another key is told from one that was tampered with.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from corral.kit.errors import SecretUnreadable, StorageUnavailable
from corral.settings import Settings
from corral.telemetry import get_logger

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_FILE = "master.key"
KEY_BYTES = 32
_MAX_FILE = 16 * 1024
_VERSION = b"\x01"
_MARK = 4
_NONCE = 12
_HEAD = len(_VERSION) + _MARK + _NONCE
_HINT = 4
_log = get_logger("corral.secrets")


class MasterKey:
    """One key of 32 bytes; its repr says only its mark."""

    __slots__ = ("_value", "mark")

    def __init__(self, value: bytes) -> None:
        if len(value) != KEY_BYTES:
            raise ValueError(f"a master key has {KEY_BYTES} bytes")
        self._value = value
        self.mark = hmac.digest(value, b"corral master key mark", hashlib.sha256)[:_MARK]

    def __repr__(self) -> str:
        """Without the key."""
        return f"MasterKey({self.mark.hex()})"

    def seal(self, nonce: bytes, value: bytes, about: bytes) -> bytes:
        """The sealed `value`."""
        return _aesgcm(self._value).encrypt(nonce, value, about)

    def open(self, nonce: bytes, sealed: bytes, about: bytes) -> bytes | None:
        """What was sealed, None when it is not what was sealed for `about`."""
        from cryptography.exceptions import InvalidTag

        try:
            return _aesgcm(self._value).decrypt(nonce, sealed, about)
        except InvalidTag:
            return None


class Secrets:
    """Seals and opens. The keys are read when they are first needed."""

    def __init__(self, settings: Settings, data: Path) -> None:
        self._given = settings.master_key
        self._file = settings.master_key_file or data / KEY_FILE
        self._made_here = settings.master_key_file is None
        self._keys: tuple[MasterKey, ...] = ()

    @property
    def place(self) -> str:
        """Where the master key is, for people."""
        return "CORRAL_MASTER_KEY" if self._given else str(self._file)

    def seal(self, text: str, about: str) -> bytes:
        """`text` sealed for the row named by `about`. Makes the master key when there is none. Raises SecretUnreadable, StorageUnavailable."""
        key = self._all(make=True)[0]
        nonce = secrets.token_bytes(_NONCE)
        return _VERSION + key.mark + nonce + key.seal(nonce, text.encode(), about.encode())

    def open(self, sealed: bytes, about: str) -> str:
        """What was sealed for `about`. Raises SecretUnreadable with what to do."""
        if len(sealed) < _HEAD or sealed[:1] != _VERSION:
            raise SecretUnreadable("It was sealed by a newer Corral, or its row was damaged. Enter it again.")
        mark = sealed[1 : 1 + _MARK]
        keys = [key for key in self._all(make=False) if key.mark == mark]
        if not keys:
            raise SecretUnreadable(
                f"It was sealed under another master key (mark {mark.hex()}) than the one in {self.place}. Add that key there as a line of "
                "its own and start Corral again, or enter it again."
            )
        for key in keys:
            value = key.open(sealed[1 + _MARK : _HEAD], sealed[_HEAD:], about.encode())
            if value is not None:
                return value.decode()
        raise SecretUnreadable("It was damaged or moved from another row. Enter it again.")

    def current(self, sealed: bytes) -> bool:
        """Whether `sealed` is under the key that seals now."""
        keys = self._all(make=False)
        return bool(keys) and sealed[1 : 1 + _MARK] == keys[0].mark

    def marks(self) -> tuple[str, ...]:
        """The marks of all keys there are, the one that seals first. Raises SecretUnreadable."""
        return tuple(key.mark.hex() for key in self._all(make=False))

    def _all(self, *, make: bool) -> tuple[MasterKey, ...]:
        if not self._keys:
            self._keys = read_keys(self._given, self.place) if self._given else self._from_file()
        if not self._keys and make:
            self._keys = (make_key(self._file),) if self._made_here else ()
            if not self._keys:
                raise SecretUnreadable(f"There is no master key in {self.place}. `openssl rand -base64 32` makes one.")
        return self._keys

    def _from_file(self) -> tuple[MasterKey, ...]:
        try:
            with self._file.open("rb") as file:
                text = file.read(_MAX_FILE + 1)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise SecretUnreadable(f"The master key {self.place} cannot be read: {error.strerror}.") from None
        if len(text) > _MAX_FILE:
            raise SecretUnreadable(f"{self.place} is no file with master keys: it is too long.")
        keys = read_keys(text.decode("ascii", "replace"), self.place)
        if not keys:
            raise SecretUnreadable(
                f"{self.place} is empty; put the master key back, or take the file away to begin anew."
            )
        if self._file.stat().st_mode & 0o077:
            _log.warning("master_key_readable_by_others", path=str(self._file), mend=f"chmod 600 {self._file}")
        return keys


def read_keys(text: str, place: str) -> tuple[MasterKey, ...]:
    """The keys of `text`: 32 bytes each, as base64 or hexadecimal, with white space or commas between. Raises SecretUnreadable."""
    try:
        return tuple(MasterKey(_decoded(word)) for word in text.replace(",", " ").split())
    except ValueError:
        raise SecretUnreadable(
            f"{place} does not hold a master key: {KEY_BYTES} bytes as base64 or hexadecimal are needed, as `openssl rand -base64 32` writes them."
        ) from None


def make_key(file: Path) -> MasterKey:
    """Writes a new key into `file`, which only its owner can read; one that appeared meanwhile is used. Raises StorageUnavailable."""
    value = secrets.token_bytes(KEY_BYTES)
    half = file.with_name(f".{file.name}.{secrets.token_hex(4)}.half")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as writing:
            writing.write(base64.b64encode(value) + b"\n")
            writing.flush()
            os.fsync(writing.fileno())
        try:
            # A link does not replace what is there: two that begin at once end up with one key.
            os.link(half, file)
        except FileExistsError:
            return read_keys(file.read_text(encoding="ascii", errors="replace"), str(file))[0]
        finally:
            half.unlink(missing_ok=True)
        _flush_folder(file.parent)
    except OSError as error:
        raise StorageUnavailable(f"The master key {file} cannot be written: {error.strerror}.") from None
    return MasterKey(value)


def hint(secret: str) -> str:
    """The end of a secret, for people who have several: at most 4 characters and a quarter of it."""
    kept = min(_HINT, len(secret) // 4)
    return secret[-kept:] if kept else ""


def _decoded(word: str) -> bytes:
    if len(word) == 2 * KEY_BYTES:
        return bytes.fromhex(word)
    try:
        return base64.b64decode(word.replace("-", "+").replace("_", "/") + "=" * (-len(word) % 4), validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None


def _flush_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _aesgcm(value: bytes) -> AESGCM:
    # Imported with the first secret: it costs 10 MB, which a server without cloud providers does not need.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(value)
