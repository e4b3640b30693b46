"""Writes GGUF models with random weights at realistic sizes, for tests and measurements of memory.

They speak nonsense, but llama.cpp loads and runs them as it does real ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np

TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"
_RANDOM = np.random.default_rng(7).standard_normal(1 << 20).astype(np.float32) * 0.02
_KINDS = {
    "F32": gguf.GGMLQuantizationType.F32, "F16": gguf.GGMLQuantizationType.F16, "BF16": gguf.GGMLQuantizationType.BF16,
    "Q8_0": gguf.GGMLQuantizationType.Q8_0, "Q4_0": gguf.GGMLQuantizationType.Q4_0,
    "Q5_1": gguf.GGMLQuantizationType.Q5_1, "Q4_K": gguf.GGMLQuantizationType.Q4_K,
    "Q6_K": gguf.GGMLQuantizationType.Q6_K, "IQ4_NL": gguf.GGMLQuantizationType.IQ4_NL,
}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """What a model is like. `kind` is the type of its matrices; `keys` are further header entries of the architecture."""

    architecture: str = "llama"
    layers: int = 8
    width: int = 512
    feed_forward: int = 1408
    heads: int = 8
    heads_kv: int = 4
    head_width: int = 64
    vocabulary: int = 32_000
    context: int = 32_768
    kind: str = "F16"
    embedding_kind: str = ""
    tied: bool = False
    experts: int = 0
    experts_used: int = 2
    window: int = 0
    tokenizer: str = "llama"
    merges: int = 0
    word: str = "▁w"
    keys: dict[str, Any] = field(default_factory=dict)


def write_model(path: Path, shape: Shape) -> Path:
    """Writes a model of `shape`."""
    writer = gguf.GGUFWriter(str(path), shape.architecture)
    _keys(writer, shape)
    _tokenizer(writer, shape)
    for name, dims in tensors(shape).items():
        kind = _kind(shape, name, dims)
        _add(writer, name, dims, kind)
    return _written(writer, path)


def _keys(writer: Any, shape: Shape) -> None:
    writer.add_name("Random")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads_kv)
    writer.add_key_length(shape.head_width)
    writer.add_value_length(shape.head_width)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(shape.vocabulary)
    if shape.architecture == "bert":
        writer.add_layer_norm_eps(1e-5)
        writer.add_causal_attention(False)
        writer.add_pooling_type(gguf.PoolingType.MEAN)
        writer.add_token_type_count(2)
    if shape.experts:
        writer.add_expert_count(shape.experts)
        writer.add_expert_used_count(shape.experts_used)
        writer.add_expert_feed_forward_length(shape.feed_forward)
    if shape.window:
        writer.add_sliding_window(shape.window)
    for key, value in shape.keys.items():
        name = f"{shape.architecture}.{key}"
        if isinstance(value, bool):
            writer.add_bool(name, value)
        elif isinstance(value, int):
            writer.add_uint32(name, value)
        elif isinstance(value, float):
            writer.add_float32(name, value)
        else:
            writer.add_array(name, value)


def _tokenizer(writer: Any, shape: Shape) -> None:
    size = shape.vocabulary
    writer.add_tokenizer_model(shape.tokenizer)
    if shape.tokenizer == "gpt2":
        writer.add_tokenizer_pre("default")
        words = [chr(256 + byte) for byte in range(256)] + [f"{shape.word}{number}" for number in range(size - 256)]
        writer.add_token_list(words[:size])
        writer.add_token_types([1] * size)
        writer.add_token_merges([f"{shape.word}{number} {number % 977}" for number in range(shape.merges)])
    else:
        words = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
        words += [f"{shape.word}{number}" for number in range(size - len(words))]
        writer.add_token_list(words[:size])
        writer.add_token_scores([-float(number) for number in range(size)])
        writer.add_token_types(([2, 3, 3] + [6] * 256 + [1] * size)[:size])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(TEMPLATE)


def tensors(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Names and shapes (in NumPy's order, rows first)."""
    width, q, kv = shape.width, shape.heads * shape.head_width, shape.heads_kv * shape.head_width
    found: dict[str, tuple[int, ...]] = {"token_embd.weight": (shape.vocabulary, width)}
    if shape.architecture == "bert":
        return found | _bert(shape)
    found["output_norm.weight"] = (width,)
    if not shape.tied:
        found["output.weight"] = (shape.vocabulary, width)
    for layer in range(shape.layers):
        at = f"blk.{layer}."
        found[at + "attn_norm.weight"] = (width,)
        found[at + "ffn_norm.weight"] = (width,)
        found[at + "attn_q.weight"] = (q, width)
        found[at + "attn_k.weight"] = (kv, width)
        found[at + "attn_v.weight"] = (kv, width)
        found[at + "attn_output.weight"] = (width, q)
        if shape.architecture == "qwen2":
            found |= {at + "attn_q.bias": (q,), at + "attn_k.bias": (kv,), at + "attn_v.bias": (kv,)}
        if shape.architecture in ("qwen3", "qwen3moe", "gemma3"):
            found |= {at + "attn_q_norm.weight": (shape.head_width,), at + "attn_k_norm.weight": (shape.head_width,)}
        if shape.architecture in ("gemma2", "gemma3"):
            found |= {at + "post_attention_norm.weight": (width,), at + "post_ffw_norm.weight": (width,)}
        found |= _feed_forward(shape, at)
    return found


def _feed_forward(shape: Shape, at: str) -> dict[str, tuple[int, ...]]:
    width, inner, experts = shape.width, shape.feed_forward, shape.experts
    if not experts:
        return {
            at + "ffn_gate.weight": (inner, width),
            at + "ffn_up.weight": (inner, width),
            at + "ffn_down.weight": (width, inner),
        }
    return {
        at + "ffn_gate_inp.weight": (experts, width),
        at + "ffn_gate_exps.weight": (experts, inner, width),
        at + "ffn_up_exps.weight": (experts, inner, width),
        at + "ffn_down_exps.weight": (experts, width, inner),
    }


def _bert(shape: Shape) -> dict[str, tuple[int, ...]]:
    width, inner = shape.width, shape.feed_forward
    found: dict[str, tuple[int, ...]] = {
        "position_embd.weight": (shape.context, width),
        "token_types.weight": (2, width),
        "token_embd_norm.weight": (width,),
        "token_embd_norm.bias": (width,),
    }
    for layer in range(shape.layers):
        at = f"blk.{layer}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            found |= {at + f"{name}.weight": (width, width), at + f"{name}.bias": (width,)}
        for name in ("attn_output_norm", "layer_output_norm"):
            found |= {at + f"{name}.weight": (width,), at + f"{name}.bias": (width,)}
        found |= {at + "ffn_up.weight": (inner, width), at + "ffn_up.bias": (inner,)}
        found |= {at + "ffn_down.weight": (width, inner), at + "ffn_down.bias": (width,)}
    return found


def _kind(shape: Shape, name: str, dims: tuple[int, ...]) -> str:
    if len(dims) == 1 or "ffn_gate_inp" in name or name.startswith(("position_embd", "token_types")):
        return "F32"
    if name in ("token_embd.weight", "output.weight") and shape.embedding_kind:
        return shape.embedding_kind
    return shape.kind


def _add(writer: Any, name: str, dims: tuple[int, ...], kind: str) -> None:
    raw = _KINDS[kind]
    count = int(np.prod(dims))
    if len(dims) == 1:
        writer.add_tensor(name, np.zeros(dims, np.float32) if name.endswith("bias") else np.ones(dims, np.float32))
        return
    block, size = gguf.GGML_QUANT_SIZES[raw]
    piece = _RANDOM[: max(block, len(_RANDOM) // block * block)]
    data = piece if kind == "F32" else piece.astype(np.float16) if kind == "F16" else _packed(piece, raw)
    flat = np.resize(data.view(np.uint8).reshape(-1), count // block * size)
    if kind in ("F32", "F16"):
        writer.add_tensor(name, flat.view(data.dtype).reshape(dims))
    else:
        writer.add_tensor(name, flat.reshape(*dims[:-1], dims[-1] // block * size), raw_dtype=raw)


def _packed(piece: Any, raw: Any) -> Any:
    try:
        return gguf.quantize(piece.reshape(-1, 256 * 16), raw)
    except NotImplementedError:
        # What cannot be written here is made of zeros, which every quantisation reads as zeros.
        block, size = gguf.GGML_QUANT_SIZES[raw]
        return np.zeros(len(piece) // block * size, np.uint8)


def write_adapter(path: Path, shape: Shape, rank: int = 64) -> Path:
    """Writes a LoRA adapter for every matrix of the layers of a model of `shape`."""
    writer = gguf.GGUFWriter(str(path), shape.architecture)
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 16.0)
    for name, dims in tensors(shape).items():
        if len(dims) == 2 and name.startswith("blk"):
            writer.add_tensor(f"{name}.lora_a", np.resize(_RANDOM, (rank, dims[1])))
            writer.add_tensor(f"{name}.lora_b", np.resize(_RANDOM, (dims[0], rank)))
    return _written(writer, path)


def write_projector(path: Path, *, width: int, side: int, inner: int, layers: int, out: int) -> Path:
    """Writes an encoder for pictures of `side` pixels, whose results have the width `out`."""
    writer = gguf.GGUFWriter(str(path), "clip")
    writer.add_string("general.type", "mmproj")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.use_gelu", False)
    numbers = {
        "image_size": side, "patch_size": 14, "embedding_length": width, "feed_forward_length": inner,
        "block_count": layers, "projection_dim": out, "attention.head_count": 8,
    }  # fmt: skip
    for key, number in numbers.items():
        writer.add_uint32(f"clip.vision.{key}", number)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
    shapes: dict[str, tuple[int, ...]] = {
        "v.patch_embd.weight": (width, 3, 14, 14), "v.position_embd.weight": ((side // 14) ** 2 + 1, width),
        "v.class_embd": (width,), "v.pre_ln.weight": (width,), "v.pre_ln.bias": (width,),
        "mm.0.weight": (out, width), "mm.0.bias": (out,), "mm.2.weight": (out, out), "mm.2.bias": (out,),
    }  # fmt: skip
    for layer in range(layers):
        at = f"v.blk.{layer}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            shapes |= {f"{at}{name}.weight": (width, width), f"{at}{name}.bias": (width,)}
        for name in ("ln1", "ln2"):
            shapes |= {f"{at}{name}.weight": (width,), f"{at}{name}.bias": (width,)}
        shapes |= {f"{at}ffn_up.weight": (inner, width), f"{at}ffn_up.bias": (inner,)}
        shapes |= {f"{at}ffn_down.weight": (width, inner), f"{at}ffn_down.bias": (width,)}
    for name, dims in shapes.items():
        kind = np.float32 if len(dims) == 1 or "position" in name else np.float16
        writer.add_tensor(name, np.resize(_RANDOM, dims).astype(kind))
    return _written(writer, path)


def _written(writer: Any, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
