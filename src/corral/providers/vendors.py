"""What services that follow OpenAI's API differ in, as data. From their public documentation, as of 2025; a provider's settings go
before all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from corral.dialects.openai_chat import Flavour
from corral.providers.types import Abilities, Operation

Prefill = Literal["no", "plain", "prefix", "continue_final"]
"""How a last assistant message is gone on with: not at all; by itself; when it is marked `"prefix": true`; or when the request
says `continue_final_message` and not `add_generation_prompt`."""

_ALL: tuple[Operation, ...] = ("chat", "completions", "embeddings")
_RANKS: tuple[Operation, ...] = (*_ALL, "rerank")
_USUAL = Flavour()
_TOOLS = Abilities(tools=True)


@dataclass(frozen=True, slots=True)
class Vendor:
    """A service.

    key_header: where the key goes, with `key_prefix` before it. drop: fields of requests that it refuses. rename: fields that it
    calls something else. paths: of operations, where they are not OpenAI's.
    """

    title: str
    base_url: str = ""
    operations: tuple[Operation, ...] = _ALL
    prefill: Prefill = "no"
    flavour: Flavour = _USUAL
    abilities: Abilities = _TOOLS
    key_header: str = "authorization"
    key_prefix: str = "Bearer "
    drop: frozenset[str] = frozenset()
    rename: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[Operation, str] = field(default_factory=dict)


_OPEN_MODELS = Flavour(repeat_penalty="repetition_penalty")
_STRICT = Flavour(sampling=False)

VENDORS: Mapping[str, Vendor] = {
    "openrouter": Vendor(
        "OpenRouter",
        "https://openrouter.ai/api/v1",
        prefill="plain",
        flavour=Flavour(repeat_penalty="repetition_penalty", cache_marks=True),
    ),
    "groq": Vendor(
        "Groq",
        "https://api.groq.com/openai/v1",
        operations=("chat",),
        prefill="plain",
        flavour=_STRICT,
        drop=frozenset({"logit_bias", "logprobs", "top_logprobs"}),
    ),
    "mistral": Vendor(
        "Mistral",
        "https://api.mistral.ai/v1",
        operations=("chat", "embeddings"),
        prefill="prefix",
        flavour=_STRICT,
        drop=frozenset({"logit_bias", "logprobs", "top_logprobs", "stream_options", "user", "store", "service_tier"}),
        rename={"seed": "random_seed", "max_completion_tokens": "max_tokens"},
    ),
    "deepseek": Vendor(
        "DeepSeek",
        "https://api.deepseek.com/v1",
        operations=("chat", "completions"),
        flavour=_STRICT,
        abilities=Abilities(tools=True, images=False),
        rename={"max_completion_tokens": "max_tokens"},
    ),
    "together": Vendor("Together", "https://api.together.xyz/v1", operations=_RANKS, flavour=_OPEN_MODELS),
    "fireworks": Vendor("Fireworks", "https://api.fireworks.ai/inference/v1", flavour=_OPEN_MODELS),
    "xai": Vendor("xAI", "https://api.x.ai/v1", operations=("chat", "completions"), flavour=_STRICT),
    "cerebras": Vendor("Cerebras", "https://api.cerebras.ai/v1", operations=("chat", "completions"), flavour=_STRICT),
    "azure": Vendor("Azure OpenAI", flavour=Flavour(max_tokens="max_completion_tokens", sampling=False), key_header="api-key", key_prefix=""),
    "vllm": Vendor("vLLM", operations=_RANKS, prefill="continue_final", flavour=_OPEN_MODELS),
    "sglang": Vendor("SGLang", operations=_RANKS, prefill="continue_final", flavour=_OPEN_MODELS),
    "lmstudio": Vendor("LM Studio", "http://127.0.0.1:1234/v1"),
    "llamacpp": Vendor("llama.cpp", operations=_RANKS, prefill="plain", abilities=Abilities(tools=True, json_schema=True)),
}  # fmt: skip

OTHER = Vendor("OpenAI-compatible", operations=_RANKS, abilities=Abilities())
"""One that nothing is known of: what it cannot do it will say itself."""
