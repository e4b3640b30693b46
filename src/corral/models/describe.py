"""From a GGUF header to the facts that people and the other rooms want."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from corral.models.gguf import GgufError, Header, read_header
from corral.models.types import Model

# general.file_type → name, from llama.cpp's llama_ftype.
_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip
_TENSOR_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    8: "Q8_0",
    10: "Q2_K",
    11: "Q3_K",
    12: "Q4_K",
    13: "Q5_K",
    14: "Q6_K",
    30: "BF16",
}
_EMBEDDING_ARCHITECTURES = {"bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "modern-bert", "gemma-embedding"}
_NOT_CHAT = {"clip", "mmproj"}


def describe(name: str, files: tuple[Path, ...], *, missing: tuple[str, ...] = (), included: bool = False) -> Model:
    """The model made of `files` (in order); its `problem` tells what is wrong with them, or which are `missing`."""
    sizes, modified = 0, 0.0
    for file in files:
        try:
            stat = file.stat()
        except OSError:
            continue
        sizes, modified = sizes + stat.st_size, max(modified, stat.st_mtime)
    bare = Model(name, files[0], sizes, parts=len(files), included=included, modified=modified)
    headers = []
    for file in files:
        try:
            headers.append(read_header(file))
        except GgufError as error:
            return replace(bare, problem=f"{file.name} {error}")
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        return replace(bare, problem=f"of its split files {', '.join(missing[:3])}{more} cannot be found")
    return _facts(bare, headers)


def _facts(bare: Model, headers: list[Header]) -> Model:
    head = headers[0]
    architecture = head.text("general.architecture")
    if not architecture or architecture in _NOT_CHAT:
        return replace(bare, architecture=architecture, problem="is not a language model")
    prefix = f"{architecture}."
    expected = head.number("split.count") or 1
    problem = None if expected == len(headers) else f"it is one of {expected} split files, and they are not named so"
    pooling = head.number(prefix + "pooling_type")
    return replace(
        bare,
        architecture=architecture,
        parameters=sum(tensor.elements for header in headers for tensor in header.tensors) or None,
        quantization=_quantization(headers),
        context_length=head.number(prefix + "context_length"),
        embedding_length=head.number(prefix + "embedding_length"),
        layers=head.number(prefix + "block_count"),
        heads=_heads(head, prefix + "attention.head_count"),
        vocabulary=head.lengths.get("tokenizer.ggml.tokens"),
        tokenizer=head.text("tokenizer.ggml.model"),
        licence=head.text("general.license"),
        title=head.text("general.name"),
        chat_template=head.text("tokenizer.chat_template"),
        embeddings=architecture in _EMBEDDING_ARCHITECTURES or bool(pooling),
        problem=problem,
    )


def _heads(head: Header, key: str) -> int | None:
    """The attention heads; of the layer with the most where they differ."""
    value = head.values.get(key)
    if isinstance(value, tuple):
        return max((one for one in value if isinstance(one, int) and one > 0), default=None)
    return head.number(key)


def _quantization(headers: list[Header]) -> str | None:
    named = _FILE_TYPES.get(headers[0].number("general.file_type") or -1)
    if named or headers[0].number("general.file_type") == 0:
        return named or "F32"
    weights: Counter[int] = Counter()
    for header in headers:
        for tensor in header.tensors:
            weights[tensor.kind] += tensor.elements
    return _TENSOR_TYPES.get(weights.most_common(1)[0][0]) if weights else None
