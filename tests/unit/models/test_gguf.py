"""The reader of GGUF headers against honest, cut and hostile files."""

from __future__ import annotations

import random
import struct
import time
import tracemalloc
from pathlib import Path

import gguf
import pytest

from corral.models.gguf import GgufError, read_header
from corral.models.gguf.reader import KEPT_ITEMS, MAX_STRINGS
from tests.support import gguf_files
from tests.support.scale import scaled

MUTATIONS = scaled(4_000, 200_000)
MEMORY = 64 * 2**20
SECONDS = 20.0
"""For one file of a few kilobytes; the usual is far below a millisecond."""


def test_it_reads_what_the_official_package_reads(scripted_model: Path, tmp_path: Path) -> None:
    for path in (scripted_model, gguf_files.write(tmp_path / "a.gguf")):
        ours, official = read_header(path), gguf.GGUFReader(path)
        fields = {name: field for name, field in official.fields.items() if not name.startswith("GGUF.")}
        assert set(ours.values) == set(fields)
        for name, field in fields.items():
            expected = field.contents()
            if isinstance(expected, list):
                assert ours.lengths[name] == len(expected)
                assert list(ours.values[name])[:KEPT_ITEMS] == expected[:KEPT_ITEMS]  # type: ignore[arg-type]
            else:
                assert ours.values[name] == expected
        assert [(one.name, list(one.shape)) for one in ours.tensors] == [
            (one.name, list(one.shape)) for one in official.tensors
        ]
        assert ours.data_offset + ours.tensors[0].offset == official.tensors[0].data_offset


def test_a_file_cut_anywhere_is_an_error(tmp_path: Path) -> None:
    whole = gguf_files.header()
    path = tmp_path / "cut.gguf"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(GgufError):
            read_header(path)
    path.write_bytes(whole + bytes(100))
    with pytest.raises(GgufError, match="cut short"):
        read_header(path)


def mutate(data: bytearray, chance: random.Random) -> None:
    """Some damage: bytes changed, counts blown up, pieces cut out, doubled or swapped."""
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        place = chance.randrange(len(data))
        kind = chance.randrange(5)
        if kind == 0:
            data[place] = chance.randrange(256)
        elif kind == 1:
            number = chance.choice((0, 1, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1, chance.randrange(2**64)))
            data[place : place + 8] = struct.pack("<Q", number)
        elif kind == 2:
            del data[place : place + chance.randrange(1, 64)]
        elif kind == 3:
            data[place:place] = data[place : place + chance.randrange(1, 200)]
        else:
            data[place : place + 4] = struct.pack("<I", chance.choice((8, 9, 9, 4, 13, 0, 2**32 - 1)))
        if not data:
            data.append(0)


def test_mutated_headers_are_read_or_refused_never_worse(tmp_path: Path) -> None:
    chance = random.Random(20_261_121)
    whole = gguf_files.header() + bytes(gguf_files.weight_bytes(gguf_files.TENSORS) + 32)
    head = len(gguf_files.header())
    path = tmp_path / "mutated.gguf"
    refused = 0
    tracemalloc.start()
    try:
        for number in range(MUTATIONS):
            data = bytearray(whole[:head])
            mutate(data, chance)
            path.write_bytes(bytes(data) + whole[head:])
            began = time.monotonic()
            try:
                read_header(path)
            except GgufError as error:
                refused += 1
                assert str(error), "an error without a reason"
            assert time.monotonic() - began < SECONDS, f"mutation {number} took too long"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MEMORY
    assert refused > MUTATIONS // 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "GGUF|short"),
        (b"GGML" + bytes(40), "not a GGUF"),
        (b"FUGG" + bytes(40), "not a GGUF"),
        (b"GGUF" + struct.pack("<IQQ", 99, 0, 0), "version 99"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "tensors"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), "keys"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_files.text("k") + struct.pack("<IIQ", 9, 8, 2**50), "claims"),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_files.text("k") + struct.pack("<IIQ", 9, 9, 1) + bytes(64),
            "not read",
        ),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_files.text("k") + struct.pack("<I", 77) + bytes(64),
            "unknown type",
        ),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**63) + bytes(64), "long|short|name"),
        (gguf_files.header({}, {"t": (2**40, 2**40)}), "shape"),
        (gguf_files.header({}, {"t": (1, 1, 1, 1, 1)}), "dimensions"),
        (gguf_files.header({"general.alignment": 0}), "alignment"),
    ],
)
def test_hostile_files_are_refused_with_a_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "hostile.gguf"
    path.write_bytes(data)
    with pytest.raises(GgufError, match=reason):
        read_header(path)


def test_the_same_key_or_tensor_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.gguf"
    pair = gguf_files.text("k") + gguf_files.value(1)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + pair + pair)
    with pytest.raises(GgufError, match="twice"):
        read_header(path)


def test_a_large_vocabulary_is_counted_and_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "large.gguf"
    count = 150_000
    items = b"".join(gguf_files.text(f"token {number}") for number in range(count))
    path.write_bytes(
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_files.text("tokens") + struct.pack("<IIQ", 9, 8, count) + items
    )
    tracemalloc.start()
    found = read_header(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.lengths["tokens"] == count
    assert peak < 2 * 2**20


def test_strings_without_end_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "strings.gguf"
    count = MAX_STRINGS // 2 + 1
    array = struct.pack("<IIQ", 9, 8, count) + bytes(8 * count)
    path.write_bytes(
        b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + gguf_files.text("a") + array + gguf_files.text("b") + array
    )
    with pytest.raises(GgufError, match="strings"):
        read_header(path)


def test_a_folder_or_an_unreadable_place_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.gguf"):
        with pytest.raises(GgufError):
            read_header(path)
