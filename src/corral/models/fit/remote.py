"""The anatomy of a file that is not here: from the header of another quantisation of it, or from its size alone."""

from __future__ import annotations

from dataclasses import replace

from corral.models.fit.anatomy import Anatomy, Layer

# Of the bytes of a quantisation, those whose type is repacked; mixtures hold other types too.
_REPACKED = (("Q4_0", 0.9), ("IQ4_NL", 0.9), ("MXFP4", 0.9), ("Q4_K", 0.7))
_CONTEXT = 131_072


def resized(found: Anatomy, quant: str, count: int) -> Anatomy:
    """The same model with `count` bytes of weights, of which the layers have even shares."""
    ends = sum(size for size in (found.embedding_weights, found.output_weights) if size)
    share = min(0.5, ends / found.weights) if found.weights else 0.0
    inside = int(count * (1 - share))
    part = next((part for name, part in _REPACKED if quant.upper().removeprefix("UD-").startswith(name)), 0.0)
    each = inside // len(found.layers)
    layers = tuple(
        replace(layer, weights=each, experts=each if layer.experts else 0, repacked=int(each * part))
        for layer in found.layers
    )
    left = count - each * len(layers)
    output = left // 2 if found.output_weights else 0
    return replace(
        found, layers=layers, embedding_weights=left - output, output_weights=output, other_weights=0, output_repacked=0,
        largest_repacked=0, mapped=count,
    )  # fmt: skip


def unknown(quant: str, count: int) -> Anatomy:
    """A model of which only the size is known: as deep and wide as such models usually are."""
    numbers = count * 8 / _bits(quant)
    wide = next((shape for shape in _USUAL if numbers < shape[0]), _USUAL[-1])
    _, depth, width, key = wide
    layer = Layer(0, 0, 0, key, key, windowed=False, state=0)
    plain = Anatomy(
        architecture="", layers=(layer,) * depth, embedding_weights=1, output_weights=1, other_weights=0, output_repacked=0,
        largest_repacked=0, mapped=0, unknown=(), width=width, query=width, key=key, heads=width // 128 or 1,
        feed_forward=4 * width, inner=0, used_experts=1, experts=0, window=0, vocabulary=128_000, merges=128_000, trained=_CONTEXT,
        tensors=9 * depth, work=0, embeds=False, encoder=False,
    )  # fmt: skip
    return resized(plain, quant, count)


# Numbers in a model below which it usually has so many layers, such a width, and such a width of keys.
_USUAL = ((1e9, 24, 1024, 512), (2e9, 24, 2048, 512), (5e9, 32, 3072, 1024), (10e9, 34, 4096, 1024),
          (20e9, 44, 5120, 1024), (40e9, 60, 6144, 1024), (1e15, 80, 8192, 1024))  # fmt: skip


def _bits(quant: str) -> float:
    digits = "".join(char for char in quant.upper().replace("UD-", "") if char.isdigit())[:2]
    if quant.upper().endswith(("F16", "F32")):
        return float(digits or 16)
    return float(digits[0]) + 0.6 if digits else 5.0
