"""Values to try each option with: every choice, both answers of a switch, and numbers inside of the bounds."""

from __future__ import annotations

from typing import Any

from corral.models.options import Kind, Option

SPECIAL: dict[str, list[Any]] = {
    "samplers": [["top_k", "xtc"]],
    "logit_bias": [{"5": -1.5, "7": 2}],
    "grammar": ['root ::= "-yes" | "no"'],
    "json_schema": [{"type": "object", "properties": {"a": {"type": "integer"}}}],
    "chat_template": ["chatml"],
    "chat_template_kwargs": [{"enable": True, "name": 'a "quoted" text'}],
    "reasoning_budget_message": ["--host is not a flag here"],
    "dry_sequence_breakers": [["-", "\n"]],
    "tensor_split": [[3.0, 1.0]],
    "device": [["none"]],
    "override_tensor": [[r"blk\.0\.ffn_up=CPU"]],
    "override_kv": [["tokenizer.ggml.add_bos_token=bool:true"]],
    "lora": [["z.gguf"]],
    "lora_scales": [[0.5]],
    "control_vectors": [["vector.gguf"]],
    "control_vector_layers": [[1, 2]],
    "spec_type": [["ngram-simple"], ["ngram-mod", "ngram-simple"]],
    "model_draft": ["small.gguf"],
    "draft_device": [["none"]],
    "mmproj": ["eyes.gguf"],
    "mmproj_device": ["none"],
    "cpu_range": [[0, 1]],
    "swap_group": ["large"],
}
WITH: dict[str, dict[str, Any]] = {"lora_scales": {"lora": ["z.gguf"]}, "draft_min": {"draft_max": 1024}}
"""What an option needs beside it."""
NUMBERS = (-1, 0, 0.5, 1, 2, 3, 33, 150, 4096)


def samples(option: Option) -> list[Any]:
    """Values that this option takes."""
    if option.name in SPECIAL:
        return SPECIAL[option.name]
    if option.kind is Kind.BOOL:
        return [True, False]
    if option.kind is Kind.CHOICE:
        return list(option.choices)
    assert option.kind in (Kind.INT, Kind.FLOAT), option.name
    low, high = option.minimum, option.maximum
    assert low is not None
    assert high is not None
    chosen = [
        number for number in NUMBERS if low <= number <= high and (option.kind is Kind.FLOAT or number == int(number))
    ]
    return [float(number) if option.kind is Kind.FLOAT else int(number) for number in chosen if number or low == 0]
