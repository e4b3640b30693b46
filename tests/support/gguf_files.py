"""Writes small GGUF files, honest and otherwise."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KEYS: dict[str, Any] = {
    "general.architecture": "llama", "general.name": "Small", "general.license": "apache-2.0", "general.file_type": 7,
    "llama.context_length": 2048, "llama.embedding_length": 64, "llama.block_count": 3, "llama.attention.head_count": 4,
    "tokenizer.ggml.model": "gpt2", "tokenizer.chat_template": "{{ messages }}",
    "tokenizer.ggml.tokens": [f"token{number}" for number in range(100)],
    "tokenizer.ggml.scores": [0.5] * 100, "llama.rope.freq_base": 10000.0, "tokenizer.ggml.add_bos_token": False,
}  # fmt: skip
TENSORS = {"token_embd.weight": (64, 100), "blk.0.attn_q.weight": (64, 64), "output_norm.weight": (64,)}


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def value(given: Any) -> bytes:
    """A typed value: bool 7, int 4, float 6, str 8, list 9."""
    if isinstance(given, bool):
        return struct.pack("<I?", 7, given)
    if isinstance(given, int):
        return struct.pack("<II", 4, given)
    if isinstance(given, float):
        return struct.pack("<If", 6, given)
    if isinstance(given, str):
        return struct.pack("<I", 8) + text(given)
    items = [value(item) for item in given]
    return struct.pack("<IIQ", 9, struct.unpack("<I", items[0][:4])[0], len(items)) + b"".join(
        item[4:] for item in items
    )


def header(keys: Mapping[str, Any] = KEYS, tensors: Mapping[str, tuple[int, ...]] | None = None) -> bytes:
    """Everything before the weights, which are F32."""
    tensors = TENSORS if tensors is None else tensors
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    out += b"".join(text(key) + value(given) for key, given in keys.items())
    offset = 0
    for name, shape in tensors.items():
        out += (
            text(name)
            + struct.pack("<I", len(shape))
            + struct.pack(f"<{len(shape)}Q", *shape)
            + struct.pack("<IQ", 0, offset)
        )
        offset += weight_bytes({name: shape})
    return out


def weight_bytes(tensors: Mapping[str, tuple[int, ...]]) -> int:
    """How many bytes of weights follow."""
    total = 0
    for shape in tensors.values():
        elements = 1
        for size in shape:
            elements *= size
        total += -(-elements * 4 // 32) * 32
    return total


def write(path: Path, **keys: Any) -> Path:
    """A file that holds what it says; keyword names use `__` for a dot."""
    changed = {**KEYS, **{name.replace("__", "."): given for name, given in keys.items()}}
    head = header(changed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + bytes(-len(head) % 32) + bytes(weight_bytes(TENSORS)))
    return path
