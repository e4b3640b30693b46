"""The memory of an engine from a model's anatomy and a plan, without loading anything.

The sizes follow llama.cpp's allocations (llama-kv-cache.cpp, llama-graph.cpp, ggml-alloc.c, ggml-cpu.c, clip.cpp), and
were checked against its own report and against the resident memory of real processes; docs/rooms/models.md has the
figures. All sizes in bytes, with every slot full: what an engine needs at most, not what it has just after its start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from corral.models.fit.anatomy import Anatomy
from corral.models.fit.types import Parts, Plan, Prediction

MIB = 1 << 20
CELLS = 256
"""Caches grow in steps of so many tokens."""

# Bytes of one number in a cache.
CACHE_TYPES = {
    "f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32, "q5_1": 24 / 32, "q5_0": 22 / 32, "q4_1": 20 / 32,
    "q4_0": 18 / 32, "iq4_nl": 18 / 32,
}  # fmt: skip

# Measured on Linux x86-64 with xllamacpp 2026.10: the interpreter, the library and the server, before any model.
RUNTIME = 31 * MIB
# A word of the vocabulary: its text, its entry by id and its entry by text. A merge: its two halves and their rank.
WORD, MERGE = 206, 200
# A tensor's entries in the loader, the graph and the scheduler.
TENSOR = 8_192
# The candidates of a slot's sampler, a word of the vocabulary.
CANDIDATE = 13.5
# A second model's own context and samplers.
GUESSING = 2 * MIB
# A projector's own server part, and what decoding and scaling a picture takes, a number of the scaled picture.
PICTURES, PICTURE = 7 * MIB, 28


def padded(count: int) -> int:
    """Up to the next full step of a cache."""
    return -(-count // CELLS) * CELLS


def cells(plan: Plan) -> tuple[int, int]:
    """Cells of one cache and how many caches there are: one for each slot, or one for all."""
    if plan.kv_unified:
        return padded(plan.ctx_size * plan.parallel), 1
    return padded(plan.ctx_size), plan.parallel


def window_cells(anatomy: Anatomy, plan: Plan) -> int:
    """Cells of the cache of layers with a window: the window of each slot and one batch."""
    count, caches = cells(plan)
    if plan.swa_full:
        return count
    windows = plan.parallel if caches == 1 else 1
    return min(count, padded(anatomy.window * windows + plan.ubatch_size))


def layer_cache(anatomy: Anatomy, plan: Plan, number: int) -> int:
    """The cache of one layer for all slots."""
    layer = anatomy.layers[number]
    count, caches = cells(plan)
    count = window_cells(anatomy, plan) if layer.windowed else count
    kept = layer.key * CACHE_TYPES[plan.cache_type_k] + layer.value * CACHE_TYPES[plan.cache_type_v]
    return int(kept * count * caches) + layer.state * plan.parallel


def compute_buffer(anatomy: Anatomy, plan: Plan) -> int:
    """What ggml's allocator reserves for the largest graph: masks, what lives through a layer, and the widest stage of one."""
    count, _ = cells(plan)
    tokens = min(plan.ubatch_size, padded(plan.ctx_size) * plan.parallel)
    mask = 2 if plan.flash_attn else 4
    masks = count if any(not layer.windowed and layer.key for layer in anatomy.layers) else 0
    masks += window_cells(anatomy, plan) if any(layer.windowed for layer in anatomy.layers) else 0
    if anatomy.encoder:
        widest = max(6.5 * anatomy.width, anatomy.feed_forward + 5 * anatomy.width)
        return int(tokens * tokens * mask + tokens * 4 * widest)
    query, key = anatomy.query, anatomy.key
    if plan.flash_attn:
        attention = tokens * 4 * max(2 * query, query + 3 * key)
    else:
        attention = tokens * 4 * (2 * query + 2 * key) + anatomy.heads * count * tokens * 4
    inner = anatomy.feed_forward
    spread = anatomy.used_experts * anatomy.width if anatomy.experts else 0
    # The results of the experts do not fit into the places of what was before when they are wider.
    forward = tokens * 4 * (3 * inner + (spread if spread > 2 * inner else 0))
    recurrent = tokens * 4 * 5 * anatomy.inner
    words = (tokens if plan.embeddings else plan.parallel) * anatomy.vocabulary * 4
    return int(masks * tokens * mask + tokens * 4 * 5 * anatomy.width + max(attention, forward, recurrent, words))


def compute(anatomy: Anatomy, plan: Plan) -> int:
    """The compute buffer as far as it is ever written to, and what the kernels need beside it."""
    tokens = min(plan.ubatch_size, padded(plan.ctx_size) * plan.parallel)
    # The place of given embeddings is reserved, and used only with pictures.
    never = tokens * 4 * anatomy.width
    sorting = anatomy.experts * anatomy.used_experts * tokens * 8 if anatomy.experts else 0
    work = anatomy.work * tokens + sorting
    if not plan.flash_attn and plan.cache_type_v != "f32":
        # What the attention sees of all tokens is converted for the product with the values.
        work = max(work, anatomy.heads * cells(plan)[0] * tokens * 2)
    return compute_buffer(anatomy, plan) - never + work


def output(anatomy: Anatomy, plan: Plan) -> int:
    """Logits and embeddings that are handed back, and the candidates of each slot's sampler."""
    if plan.embeddings:
        rows = min(plan.batch_size, padded(plan.ctx_size) * plan.parallel)
        return rows * (anatomy.vocabulary + anatomy.width) * 4
    return int(plan.parallel * anatomy.vocabulary * (4 + CANDIDATE))


def prompt_cache(anatomy: Anatomy, plan: Plan) -> int:
    """Prompts kept in memory, and the checkpoints of models whose memory cannot be cut back."""
    kept = plan.cache_ram * MIB
    if not anatomy.restores or plan.ctx_checkpoints == 0:
        return kept
    step = max(1, plan.checkpoint_min_step)
    count = min(plan.ctx_checkpoints, 2 + plan.ctx_size // step)
    rate_k, rate_v = CACHE_TYPES[plan.cache_type_k], CACHE_TYPES[plan.cache_type_v]
    window = min(anatomy.window, plan.ctx_size)
    one = sum(
        layer.state + (window * (layer.key * rate_k + layer.value * rate_v) if layer.windowed else 0)
        for layer in anatomy.layers
    )
    # A windowless model with states, and a model with its full window, are cut back by these alone.
    return kept + (
        0 if plan.swa_full and not any(layer.state for layer in anatomy.layers) else int(one * count * plan.parallel)
    )


def weights(anatomy: Anatomy, plan: Plan, layers: int) -> int:
    """All weights, and those that are there twice: `layers` of the last are on cards and so not repacked."""
    if not plan.repack:
        return anatomy.weights
    here = max(0, len(anatomy.layers) + 1 - layers)
    repacked = sum(layer.repacked for layer in anatomy.layers[:here]) + (0 if layers else anatomy.output_repacked)
    if plan.load_mode in ("auto", "mmap", "mmap+mlock"):
        # The file stays mapped, and its pages stay in memory until somebody else needs it.
        return (anatomy.mapped if repacked and not layers else anatomy.weights) + repacked
    shared = 0 if anatomy.output_weights or layers else anatomy.output_repacked
    # Most of what the largest was read into stays with the process.
    return anatomy.weights + shared + (anatomy.largest_repacked * 2 // 3 if repacked else 0)


def tokenizer(anatomy: Anatomy) -> int:
    """The vocabulary as the engine keeps it."""
    return anatomy.vocabulary * WORD + anatomy.merges * MERGE


def predict(anatomy: Anatomy, plan: Plan, *, devices: int = 0) -> Prediction:
    """The memory of one model alone. `devices` is how many cards its layers may go to."""
    layers = offloaded(anatomy, plan) if devices else 0
    parts = Parts(
        weights=weights(anatomy, plan, layers),
        kv=sum(layer_cache(anatomy, plan, number) for number in range(len(anatomy.layers))),
        compute=compute(anatomy, plan),
        output=output(anatomy, plan),
        prompt_cache=prompt_cache(anatomy, plan),
        runtime=RUNTIME + tokenizer(anatomy) + anatomy.tensors * TENSOR,
    )
    if not layers:
        return Prediction(parts)
    used = on_devices(anatomy, plan, layers, devices)
    buffer = compute_buffer(anatomy, plan)
    parts.compute += buffer * sum(1 for one in used if one)
    if layers > len(anatomy.layers) and not anatomy.output_weights:
        # The words' matrix that is shared with the embeddings gets a second copy on the card.
        parts.weights += anatomy.embedding_weights
    return Prediction(parts, tuple(one + buffer if one else 0 for one in used), layers)


def offloaded(anatomy: Anatomy, plan: Plan) -> int:
    """How many layers go to the cards; the layer behind the last is what makes words of the result."""
    most = len(anatomy.layers) + 1
    return most if plan.gpu_layers < 0 else min(plan.gpu_layers, most)


def on_devices(anatomy: Anatomy, plan: Plan, count: int, devices: int) -> tuple[int, ...]:
    """Weights and caches on each card, the last `count` layers split between them as llama.cpp does it."""
    used = [0] * devices
    total = len(anatomy.layers)
    first = max(0, total + 1 - count)
    shares = _shares(plan, devices)
    for place, number in enumerate(range(first, total + 1)):
        device = _owner(place, total + 1 - first, shares)
        if number == total:
            used[device] += anatomy.output_weights or anatomy.embedding_weights
            continue
        layer = anatomy.layers[number]
        used[device] += layer.weights - (layer.experts if number < plan.n_cpu_moe else 0)
        if plan.kv_offload:
            used[device] += layer_cache(anatomy, plan, number)
    return tuple(used)


def _shares(plan: Plan, devices: int) -> list[float]:
    if plan.split_mode == "none":
        return [1.0 if number == min(plan.main_gpu, devices - 1) else 0.0 for number in range(devices)]
    given = list(plan.tensor_split[:devices])
    return given + [0.0] * (devices - len(given)) if sum(given) > 0 else [1.0] * devices


def _owner(place: int, count: int, shares: Sequence[float]) -> int:
    """The card of the layer at `place` of `count`."""
    reached, whole = 0.0, sum(shares)
    for number, share in enumerate(shares):
        reached += share / whole
        if place < reached * count - 1e-9:
            return number
    return len(shares) - 1


def projector(width: int, inner: int, patches: int, side: int) -> int:
    """Compute memory of a picture's encoder: of the encoder itself, and of decoding and scaling one picture."""
    return patches * 4 * (inner + 3 * width) + PICTURES + PICTURE * 3 * side * side


def draft(anatomy: Anatomy, plan: Plan) -> int:
    """The memory of a second, small model that guesses ahead: the same, but for the runtime that it shares."""
    own = replace(
        plan, cache_type_k=plan.draft_cache_type_k, cache_type_v=plan.draft_cache_type_v, cache_ram=0, ctx_checkpoints=0
    )
    return predict(anatomy, own).total - RUNTIME + GUESSING
