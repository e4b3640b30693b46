"""A bounded reader of GGUF headers (versions 2 and 3; format: ggml's docs/gguf.md).

A header comes from anywhere and may lie. Counts and lengths are checked against what is left of the file and against
budgets before anything is read or kept; long arrays (vocabularies) are walked and counted, never kept.
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

MAGIC: Final = b"GGUF"
MAX_KEYS: Final = 4096
MAX_TENSORS: Final = 65_536
MAX_NAME: Final = 1024
MAX_STRING: Final = 1 << 20
MAX_ARRAY: Final = 4_000_000
MAX_STRINGS: Final = 3_000_000
MAX_HEADER: Final = 256 << 20
PIECE: Final = 256 << 10
KEPT_ITEMS: Final = 64
KEPT_NUMBERS: Final = 1024
MAX_DIMS: Final = 4
MAX_ELEMENTS: Final = 1 << 44

_SCALARS: Final = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_U64: Final = struct.Struct("<Q")

# type number → (elements a block, bytes a block), from ggml's type traits.
BLOCKS: Final = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66),
    17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip

Value = str | int | float | bool | tuple[str | int | float | bool, ...]


class GgufError(Exception):
    """The file is not a GGUF file that can be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of the table: its shape, ggml type, and place in the data section."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int

    @property
    def elements(self) -> int:
        """How many numbers it has."""
        product = 1
        for size in self.shape:
            product *= size
        return product

    @property
    def size(self) -> int | None:
        """Its bytes, None for a type that is not known here."""
        block = BLOCKS.get(self.kind)
        return None if block is None else -(-self.elements // block[0]) * block[1]


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the weights. Arrays hold their first items only; `lengths` has how many there are."""

    version: int
    values: dict[str, Value]
    lengths: dict[str, int]
    tensors: tuple[Tensor, ...]
    data_offset: int
    file_size: int

    def text(self, key: str) -> str | None:
        """A string value."""
        value = self.values.get(key)
        return value if isinstance(value, str) else None

    def number(self, key: str) -> int | None:
        """A whole, non-negative number."""
        value = self.values.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


class _Cursor:
    """Reads forward, in pieces, within what the file and the budget allow."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._piece = b""
        self._at = 0
        self.left = min(size, MAX_HEADER)
        self.strings = MAX_STRINGS
        self.place = 0

    def take(self, count: int) -> bytes:
        self._use(count)
        at = self._at
        if at + count > len(self._piece):
            self._more(count)
            at = 0
        self._at = at + count
        return self._piece[at : self._at]

    def skip(self, count: int) -> None:
        self._use(count)
        beyond = self._at + count - len(self._piece)
        self._at += count
        if beyond > 0:
            self._file.seek(beyond, 1)
            self._piece, self._at = b"", 0

    def skip_strings(self, count: int) -> None:
        """Passes over texts. Vocabularies have hundreds of thousands, so this is a tight loop."""
        unpack = _U64.unpack_from
        while count:
            piece, at, end = self._piece, self._at, len(self._piece)
            while count and at + 8 <= end:
                after = at + 8 + unpack(piece, at)[0]
                if after > end:
                    break
                at, count = after, count - 1
            self._use(at - self._at)
            self._at = at
            if count:
                self.skip(self.u64())
                count -= 1

    def scalar(self, form: str) -> int | float | bool:
        value: int | float | bool = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def u32(self) -> int:
        return int(self.scalar("<I"))

    def u64(self) -> int:
        return int(self.scalar("<Q"))

    def string(self, limit: int) -> str:
        length = self.u64()
        if length > limit:
            raise GgufError(f"has a text of {length} bytes, longer than the {limit} allowed")
        return self.take(length).decode("utf-8", "replace")

    def _use(self, count: int) -> None:
        if count > self.left:
            raise GgufError("is cut short, or its header is longer than allowed")
        self.left -= count
        self.place += count

    def _more(self, count: int) -> None:
        """Begins a new piece that has at least `count` bytes."""
        rest = self._piece[self._at :]
        self._piece, self._at = rest + self._file.read(max(PIECE, count) - len(rest)), 0
        if len(self._piece) < count:
            raise GgufError("is cut short")


def read_header(path: Path) -> Header:
    """Reads the header of one file. Raises GgufError (also for an unreadable file)."""
    try:
        # A pipe would keep us waiting, a device has no end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise GgufError("is not a regular file")
        with path.open("rb") as file:
            return read_header_of(file, os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise GgufError(f"cannot be read: {error.strerror or error}") from None


def read_header_of(file: BinaryIO, size: int) -> Header:
    """Reads the header of an open file of `size` bytes, of which it reads and seeks forward. Raises GgufError."""
    return _read(_Cursor(file, size), size)


def _read(cursor: _Cursor, size: int) -> Header:
    if cursor.left < 24 or cursor.take(4) != MAGIC:
        raise GgufError("is not a GGUF file")
    version = cursor.u32()
    if version not in (2, 3):
        raise GgufError(f"has GGUF version {version}; 2 and 3 can be read")
    tensor_count, key_count = cursor.u64(), cursor.u64()
    if tensor_count > MAX_TENSORS or key_count > MAX_KEYS:
        raise GgufError(f"claims {tensor_count} tensors and {key_count} keys, more than any model has")
    values: dict[str, Value] = {}
    lengths: dict[str, int] = {}
    for _ in range(key_count):
        key = cursor.string(MAX_NAME)
        if key in values:
            raise GgufError(f"has the key {key[:80]!r} twice")
        values[key] = _value(cursor, key, cursor.u32(), lengths)
    tensors = tuple(_tensor(cursor) for _ in range(tensor_count))
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise GgufError("has two tensors of one name")
    header = Header(version, values, lengths, tensors, _aligned(cursor.place, values), size)
    _check_data(header)
    return header


def _value(cursor: _Cursor, key: str, kind: int, lengths: dict[str, int]) -> Value:
    if kind == _STRING:
        return cursor.string(MAX_STRING)
    if kind == _ARRAY:
        return _array(cursor, key, lengths)
    form = _SCALARS.get(kind)
    if form is None:
        raise GgufError(f"has the key {key[:80]!r} of the unknown type {kind}")
    return cursor.scalar(form)


def _array(cursor: _Cursor, key: str, lengths: dict[str, int]) -> Value:
    kind, count = cursor.u32(), cursor.u64()
    if count > MAX_ARRAY or count > cursor.left:
        raise GgufError(f"has the list {key[:80]!r} that claims {count} items")
    lengths[key] = count
    kept: list[str | int | float | bool] = []
    if kind == _STRING:
        cursor.strings -= count
        if cursor.strings < 0:
            raise GgufError(f"lists more than {MAX_STRINGS} strings")
        kept.extend(cursor.string(MAX_STRING) for _ in range(min(count, KEPT_ITEMS)))
        cursor.skip_strings(count - len(kept))
        return tuple(kept)
    form = _SCALARS.get(kind)
    if form is None:
        raise GgufError(f"has the list {key[:80]!r} with items of type {kind}, which is not read")
    kept.extend(cursor.scalar(form) for _ in range(min(count, KEPT_NUMBERS)))
    cursor.skip(struct.calcsize(form) * (count - len(kept)))
    return tuple(kept)


def _tensor(cursor: _Cursor) -> Tensor:
    name = cursor.string(MAX_NAME)
    dims = cursor.u32()
    if not 1 <= dims <= MAX_DIMS:
        raise GgufError(f"has the tensor {name[:80]!r} with {dims} dimensions")
    shape = tuple(cursor.u64() for _ in range(dims))
    tensor = Tensor(name, shape, cursor.u32(), cursor.u64())
    if any(size == 0 or size > MAX_ELEMENTS for size in shape) or tensor.elements > MAX_ELEMENTS:
        raise GgufError(f"has the tensor {name[:80]!r} of an impossible shape")
    return tensor


def _aligned(place: int, values: dict[str, Value]) -> int:
    alignment = values.get("general.alignment", 32)
    if not isinstance(alignment, int) or isinstance(alignment, bool) or not 1 <= alignment <= 1 << 20:
        raise GgufError("has an impossible alignment")
    return -(-place // alignment) * alignment


def _check_data(header: Header) -> None:
    """That every tensor of a known type lies within the file."""
    for tensor in header.tensors:
        size = tensor.size
        if size is not None and header.data_offset + tensor.offset + size > header.file_size:
            raise GgufError(f"is cut short: the tensor {tensor.name[:80]!r} ends beyond the file")
