"""Small files that go with the scripted model: a LoRA adapter, a projector, and the model itself as drafter or embedder.

Each changes answers in a way that can be told apart: the adapter makes every token a Z.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
from tools import scripted_model

LOUD = 1000.0
"""How much likelier the adapter makes a Z; nothing in the model reaches it."""


def adapter(path: Path) -> Path:
    """A LoRA adapter of rank 1 on the output: the first number of a state, which is always 1, speaks for Z."""
    vocabulary, _ = scripted_model.build()
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, 1.0)
    down = np.zeros((1, scripted_model.WIDTH), dtype=np.float32)
    down[0, 0] = 1.0
    up = np.zeros((len(vocabulary.texts), 1), dtype=np.float32)
    up[vocabulary.ids[b"Z"], 0] = LOUD
    writer.add_tensor("output.weight.lora_a", down)
    writer.add_tensor("output.weight.lora_b", up)
    return _written(writer, path)


def projector(path: Path, *, size: int = 28, patch: int = 14, width: int = 32, layers: int = 1) -> Path:
    """A small image projector: (size / patch)² tokens for each image, with weights that say nothing."""
    writer = gguf.GGUFWriter(str(path), "clip")
    writer.add_type("mmproj")
    vision = "clip.vision."
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", "mlp")
    writer.add_bool("clip.use_gelu", False)
    numbers = {
        "image_size": size, "patch_size": patch, "embedding_length": width, "feed_forward_length": 2 * width,
        "block_count": layers + 1, "attention.head_count": 2, "projection_dim": scripted_model.WIDTH,
    }  # fmt: skip
    for name, number in numbers.items():
        writer.add_uint32(vision + name, number)
    writer.add_float32(vision + "attention.layer_norm_epsilon", 1e-5)
    writer.add_array(vision + "image_mean", [0.5, 0.5, 0.5])
    writer.add_array(vision + "image_std", [0.5, 0.5, 0.5])
    tensors: dict[str, tuple[int, ...]] = {
        "v.class_embd": (width,), "v.patch_embd.weight": (width, 3, patch, patch),
        "v.position_embd.weight": ((size // patch) ** 2 + 1, width), "v.pre_ln.weight": (width,), "v.pre_ln.bias": (width,),
        "mm.0.weight": (scripted_model.WIDTH, width), "mm.0.bias": (scripted_model.WIDTH,),
        "mm.2.weight": (scripted_model.WIDTH, scripted_model.WIDTH), "mm.2.bias": (scripted_model.WIDTH,),
    }  # fmt: skip
    for layer in range(layers + 1):
        block = f"v.blk.{layer}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_out"):
            tensors |= {f"{block}{name}.weight": (width, width), f"{block}{name}.bias": (width,)}
        tensors |= {f"{block}ffn_up.weight": (2 * width, width), f"{block}ffn_up.bias": (2 * width,)}
        tensors |= {f"{block}ffn_down.weight": (width, 2 * width), f"{block}ffn_down.bias": (width,)}
        tensors |= {f"{block}ln{one}.{part}": (width,) for one in (1, 2) for part in ("weight", "bias")}
    random = np.random.default_rng(1)
    for name, shape in tensors.items():
        kind = np.float16 if len(shape) > 1 and not name.startswith("v.position") else np.float32
        writer.add_tensor(name, (random.standard_normal(shape) * 0.02).astype(kind))
    return _written(writer, path)


def embedder(path: Path) -> Path:
    """The scripted model as one that is made for embeddings."""
    scripted_model.write(path, pooled=True)
    return path


def control_vector(path: Path) -> Path:
    """A control vector for the second layer that drowns whatever the model wanted to say."""
    writer = gguf.GGUFWriter(str(path), "controlvector")
    writer.add_string("controlvector.model_hint", "llama")
    writer.add_uint32("controlvector.layer_count", 1)
    vector = np.random.default_rng(2).standard_normal(scripted_model.WIDTH).astype(np.float32) * 1000
    writer.add_tensor("direction.1", vector)
    return _written(writer, path)


def damaged(path: Path) -> Path:
    """The scripted model with a weight that is no number; only who looks for that finds it."""
    scripted_model.write(path)
    data = bytearray(path.read_bytes())
    data[-2:] = b"\xff\x7f"
    path.write_bytes(bytes(data))
    return path


def recommending(path: Path) -> Path:
    """The scripted model with values for sampling that its file recommends."""
    reader = gguf.GGUFReader(scripted_copy(path.with_suffix(".plain")))
    writer = gguf.GGUFWriter(str(path), "llama")
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            kind = field.types[0]
            inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), kind, inner)
    writer.add_float32("general.sampling.temp", 0.3)
    writer.add_int32("general.sampling.top_k", 5)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    return _written(writer, path)


def scripted_copy(path: Path) -> Path:
    """The scripted model, written anew."""
    scripted_model.write(path)
    return path


def _written(writer: Any, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
