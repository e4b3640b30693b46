"""Writes a checkpoint as a GGUF file that llama.cpp runs: Q8_0 weights, tied output, byte-level BPE."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer
from tools.cria import tokenizer as tokenizers_of_cria
from tools.cria.template import CHAT_TEMPLATE

TEMPERATURE = 0.2

NAMES = {
    "attention_norm.weight": "attn_norm.weight",
    "feed_norm.weight": "ffn_norm.weight",
    "query.weight": "attn_q.weight",
    "key.weight": "attn_k.weight",
    "value.weight": "attn_v.weight",
    "output.weight": "attn_output.weight",
    "gate.weight": "ffn_gate.weight",
    "up.weight": "ffn_up.weight",
    "down.weight": "ffn_down.weight",
}


def tensor_name(name: str) -> str:
    """The GGUF name of a parameter."""
    if name == "embedding.weight":
        return "token_embd.weight"
    if name == "norm.weight":
        return "output_norm.weight"
    _, block, rest = name.split(".", 2)
    return f"blk.{block}.{NAMES[rest]}"


def export(folder: Path, out: Path) -> None:
    """Writes `folder`'s checkpoint and tokenizer to `out`."""
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)
    shape = saved["shape"]
    vocabulary = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokens = [vocabulary.id_to_token(number) for number in range(vocabulary.get_vocab_size())]
    special = set(tokenizers_of_cria.SPECIALS)
    writer = gguf.GGUFWriter(str(out) + ".part", "llama")
    writer.add_name("Cria")
    writer.add_description("The tiny demo model that comes with Corral")
    writer.add_license("Apache-2.0")
    writer.add_context_length(int(shape["context"]))
    writer.add_embedding_length(int(shape["width"]))
    writer.add_block_count(int(shape["layers"]))
    writer.add_feed_forward_length(int(shape["feed_forward"]))
    writer.add_head_count(int(shape["heads"]))
    writer.add_head_count_kv(int(shape["heads"]))
    writer.add_rope_dimension_count(int(shape["width"] // shape["heads"]))
    writer.add_rope_freq_base(shape["rope_base"])
    writer.add_layer_norm_rms_eps(shape["epsilon"])
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in tokens])
    writer.add_token_merges(tokenizers_of_cria.merges(folder / "tokenizer.json"))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)
    # What engines sample with unless they are told otherwise: it was made to give one answer, not many.
    writer.add_sampling_temp(TEMPERATURE)
    for name, value in saved["network"].items():
        data = value.float().numpy()
        if data.ndim == 2:
            packed = gguf.quants.quantize(data, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(tensor_name(name), packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(tensor_name(name), data.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    Path(str(out) + ".part").replace(out)
