"""What of a model's header decides about its memory: its tensors by layer, its heads, windows and states."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass

from corral.models.gguf import GgufError, Header, Tensor
from corral.models.gguf.reader import BLOCKS

# Layers with a sliding window, for files that do not list them: of so many layers the last one sees everything.
# From llama.cpp's model loaders; an architecture that is not here has no window there, whatever its file says.
_PATTERNS = {
    "gemma2": 2, "gemma3": 6, "gemma3n": 5, "gemma4": 6, "gemma-embedding": 6, "cohere2": 4, "gpt-oss": 2,
    "exaone4": 4, "exaone-moe": 4, "llama4": 4, "smallthinker": 4, "olmo2": 4, "plamo3": 8, "afmoe": 4, "mimo2": 0,
    "step35": 4,
}  # fmt: skip
_ENCODERS = {"bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "neo-bert", "modern-bert",
             "gemma-embedding", "eurobert", "t5encoder"}  # fmt: skip

# Types of matrices that llama.cpp writes again in another order for this kind of processor (ggml-cpu's repack.cpp):
# Q4_0, Q4_K, IQ4_NL and MXFP4 with AVX2 (seen); on ARM also Q8_0, Q5_K and Q6_K (from its source).
_REPACKED = frozenset({2, 12, 20, 39})
_REPACKED_ARM = _REPACKED | {8, 13, 14}


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: its bytes, those of its experts, those that are repacked, its key and value widths (numbers a token),
    and the state it keeps for a slot (bytes).
    """

    weights: int
    experts: int
    repacked: int
    key: int
    value: int
    windowed: bool
    state: int


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A model as its memory sees it. Widths are numbers of a token, `work` bytes a token."""

    architecture: str
    layers: tuple[Layer, ...]
    embedding_weights: int
    output_weights: int
    other_weights: int
    output_repacked: int
    largest_repacked: int
    mapped: int
    """Bytes of the files from the first to the last tensor that stays as it is there."""

    unknown: tuple[str, ...]
    """Names of tensors whose type is not known, so that they were taken from the size of the file."""

    width: int
    query: int
    key: int
    heads: int
    feed_forward: int
    inner: int
    """The width inside of layers that keep a state."""

    used_experts: int
    experts: int
    window: int
    vocabulary: int
    merges: int
    trained: int | None
    tensors: int
    work: int
    embeds: bool
    encoder: bool

    @property
    def weights(self) -> int:
        """All of them."""
        return (
            sum(layer.weights for layer in self.layers)
            + self.embedding_weights
            + self.output_weights
            + self.other_weights
        )

    @property
    def restores(self) -> bool:
        """Whether it keeps checkpoints, since its memory cannot be cut back to any token."""
        return any(layer.windowed or layer.state for layer in self.layers)


def anatomy(headers: Sequence[Header]) -> Anatomy:
    """The anatomy of the model made of these files. Raises GgufError when the header lacks what is needed."""
    head = headers[0]
    name = head.text("general.architecture") or ""
    facts = _Facts(head, name)
    count = facts.number("block_count")
    width = facts.number("embedding_length")
    if not name or not count or not width:
        raise GgufError("does not say how many layers it has and how wide they are")
    if count > MAX_LAYERS:
        raise GgufError(f"claims {count} layers")
    tensors = [tensor for header in headers for tensor in header.tensors]
    by_layer, elsewhere, unknown = _sorted(tensors, count)
    words = [tensor for tensor in tensors if tensor.name == "output.weight"]
    words = words or [tensor for tensor in tensors if tensor.name == "token_embd.weight"]
    matrices = [tensor for tensor in tensors if not tensor.name.startswith("token_embd")] + words
    query = max(facts.at("attention.head_count", layer, 1) for layer in range(count))
    layers = tuple(_layer(facts, layer, by_layer[layer]) for layer in range(count))
    vocabulary = facts.number("vocab_size") or head.lengths.get("tokenizer.ggml.tokens", 0)
    missing = sum(header.file_size - header.data_offset - _known(header) for header in headers) if unknown else 0
    return Anatomy(
        architecture=name,
        layers=layers,
        embedding_weights=elsewhere.get("token_embd", 0),
        output_weights=elsewhere.get("output", 0),
        other_weights=elsewhere.get("", 0) + max(0, missing),
        output_repacked=0 if name in _ENCODERS else sum(map(_repacked, words)),
        largest_repacked=max(map(_repacked, matrices), default=0),
        mapped=sum(map(_mapped, headers)),
        unknown=unknown,
        width=width,
        query=query * facts.key_length(0),
        key=max((layer.key for layer in layers), default=0),
        heads=query,
        feed_forward=_feed_forward(facts, tensors, count),
        inner=facts.number("ssm.inner_size") or 0,
        used_experts=facts.number("expert_used_count") or 1,
        experts=facts.number("expert_count") or 0,
        window=facts.window,
        vocabulary=vocabulary,
        merges=head.lengths.get("tokenizer.ggml.merges", 0),
        trained=facts.number("context_length"),
        tensors=len(tensors),
        work=_work(tensors, facts.number("expert_used_count") or 1),
        embeds=name in _ENCODERS or bool(facts.number("pooling_type")),
        encoder=name in _ENCODERS,
    )


MAX_LAYERS = 4096


class _Facts:
    """The keys of one architecture."""

    def __init__(self, head: Header, name: str) -> None:
        self._head = head
        self._prefix = f"{name}."
        self.name = name
        self.heads = self.number("attention.head_count") or 1
        self.width = self.number("embedding_length") or 1
        self._pattern = head.values.get(self._prefix + "attention.sliding_window_pattern")
        known = name in _PATTERNS or isinstance(self._pattern, tuple)
        self.window = (self.number("attention.sliding_window") or 0) if known else 0
        self._step = self._pattern if isinstance(self._pattern, int) else _PATTERNS.get(name, 0)

    def number(self, key: str) -> int | None:
        """A whole number; of a list its largest."""
        value = self._head.values.get(self._prefix + key)
        if isinstance(value, tuple):
            return max((one for one in value if isinstance(one, int) and not isinstance(one, bool)), default=None)
        return self._head.number(self._prefix + key)

    def at(self, key: str, layer: int, default: int) -> int:
        """A number that may differ by layer."""
        value = self._head.values.get(self._prefix + key)
        if isinstance(value, tuple):
            one = value[layer] if layer < len(value) else default
            return int(one) if isinstance(one, int) and one >= 0 else default
        number = self._head.number(self._prefix + key)
        return default if number is None else number

    def windowed(self, layer: int) -> bool:
        """Whether a layer sees a window only."""
        if not self.window:
            return False
        if isinstance(self._pattern, tuple):
            return layer < len(self._pattern) and bool(self._pattern[layer])
        return self._step <= 1 or layer % self._step < self._step - 1

    def key_length(self, layer: int) -> int:
        """Numbers in a key of one head."""
        swa = self.number("attention.key_length_swa") if self.windowed(layer) else None
        return swa or self.number("attention.key_length") or self.width // max(1, self.heads)

    def value_length(self, layer: int) -> int:
        """Numbers in a value of one head."""
        swa = self.number("attention.value_length_swa") if self.windowed(layer) else None
        return swa or self.number("attention.value_length") or self.width // max(1, self.heads)

    def recurrent(self, layer: int) -> bool:
        """Whether a layer keeps a state instead of keys and values."""
        if self.name.startswith(("mamba", "rwkv", "arwkv")):
            return True
        interval = self.number("full_attention_interval")
        if interval:
            return (layer + 1) % interval != 0
        kv = self._head.values.get(self._prefix + "attention.head_count_kv")
        return isinstance(kv, tuple) and self.at("attention.head_count_kv", layer, 1) == 0

    def state(self) -> int:
        """Bytes of the state of one recurrent layer for one slot; they are always kept as 32 bit numbers."""
        inner, size = self.number("ssm.inner_size") or 0, self.number("ssm.state_size") or 0
        if inner and size:
            conv = max(0, (self.number("ssm.conv_kernel") or 1) - 1)
            return 4 * (conv * (inner + 2 * (self.number("ssm.group_count") or 0) * size) + inner * size)
        short = self.number("shortconv.l_cache")
        if short:
            return 4 * self.width * max(0, short - 1)
        head = self.number("wkv.head_size")
        return 4 * self.width * ((head or 0) + 2) if head else 0


def _layer(facts: _Facts, layer: int, weights: tuple[int, int, int]) -> Layer:
    windowed = facts.windowed(layer)
    shared = facts.number("attention.shared_kv_layers") or 0
    count = facts.number("block_count") or 0
    recurrent = facts.recurrent(layer)
    # Falcon-H1 and the like have both in each layer.
    both = facts.name in ("falcon-h1", "plamo2")
    state = facts.state() if recurrent or both else 0
    if (recurrent and not both) or facts.name in _ENCODERS or layer >= count - shared:
        return Layer(*weights, 0, 0, windowed, state)
    rank = facts.number("attention.kv_lora_rank")
    if rank and facts.number("attention.key_length_mla"):
        # Multi-head latent attention keeps one compressed key; values are read out of it.
        return Layer(*weights, facts.key_length(layer), 0, windowed, state)
    heads = facts.at("attention.head_count_kv", layer, facts.at("attention.head_count", layer, 1))
    return Layer(*weights, heads * facts.key_length(layer), heads * facts.value_length(layer), windowed, state)


def _sorted(
    tensors: Sequence[Tensor], count: int
) -> tuple[list[tuple[int, int, int]], dict[str, int], tuple[str, ...]]:
    """Bytes of each layer (all, of experts, repacked), of what is elsewhere, and the names of what could not be told."""
    layers = [(0, 0, 0)] * count
    elsewhere: dict[str, int] = {}
    unknown = []
    for tensor in tensors:
        size = tensor.size
        if size is None:
            unknown.append(tensor.name)
            continue
        parts = tensor.name.split(".")
        if parts[0] == "blk" and len(parts) > 2 and parts[1].isdigit() and int(parts[1]) < count:
            number = int(parts[1])
            own, experts, repacked = layers[number]
            experts += size if parts[2].endswith(("_exps", "_chexps")) else 0
            layers[number] = (own + size, experts, repacked + _repacked(tensor))
        else:
            place = parts[0] if parts[0] in ("token_embd", "output") else ""
            elsewhere[place] = elsewhere.get(place, 0) + size
    return layers, elsewhere, tuple(unknown)


def _repacked(tensor: Tensor) -> int:
    """Its bytes when it is written again in another order, else 0."""
    arm = platform.machine().lower() in ("arm64", "aarch64")
    fitting = len(tensor.shape) > 1 and tensor.shape[1] % 8 == 0
    return (tensor.size or 0) if fitting and tensor.kind in (_REPACKED_ARM if arm else _REPACKED) else 0


def _mapped(header: Header) -> int:
    left = [tensor for tensor in header.tensors if tensor.name.startswith("token_embd") or not _repacked(tensor)]
    if not left:
        return 0
    return max(tensor.offset + (tensor.size or 0) for tensor in left) - min(tensor.offset for tensor in left)


def _known(header: Header) -> int:
    return sum(tensor.size or 0 for tensor in header.tensors)


def _feed_forward(facts: _Facts, tensors: Sequence[Tensor], count: int) -> int:
    """The widest feed-forward of a token, of all its experts together."""
    dense = facts.number("feed_forward_length") or 0
    if not facts.number("expert_count"):
        return dense
    expert = facts.number("expert_feed_forward_length") or max(
        (tensor.shape[1] for tensor in tensors if "ffn_up_exps" in tensor.name and len(tensor.shape) > 1),
        default=dense,
    )
    used = facts.number("expert_used_count") or 1
    leading = facts.number("leading_dense_block_count") or 0
    return max(expert * used, dense if 0 < leading < count else 0)


def _work(tensors: Sequence[Tensor], used: int) -> int:
    """Bytes a token that the widest product needs for its right side, in the form that the kernels want."""
    widest = 0.0
    for tensor in tensors:
        if len(tensor.shape) < 2 or tensor.name.startswith(("token_embd", "output.")):
            continue
        rows = used if "down_exps" in tensor.name else 1
        widest = max(widest, rows * tensor.shape[0] * _converted(tensor.kind))
    return int(widest)


def _converted(kind: int) -> float:
    """Bytes of each number on the other side of a product with a matrix of this type, from ggml-cpu's table of types."""
    if kind in (1, 30):
        return 2.0
    if kind in (0, 24, 25, 26, 27, 28):
        return 0.0
    elements, _ = BLOCKS.get(kind, (256, 0))
    return 292 / 256 if elements == 256 else 36 / 32
