"""From a prediction and a machine to a verdict, its reason, and settings that suit the machine. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from corral.models.fit.files import Body, predict
from corral.models.fit.types import Machine, Plan, Prediction, Report, Verdict

CONTEXTS = (131_072, 65_536, 32_768, 16_384, 8192, 4096, 2048, 1024, 512)
COMFORT = 32_768
"""Larger contexts are not recommended by themselves: they cost memory that few conversations use."""
LEAST = 4096
_CARD_RESERVE = 0.95


def judge(body: Body, plan: Plan, machine: Machine) -> Report:
    """The report about running `body` with `plan`."""
    prediction = predict(body, plan, machine)
    verdict, reason = _verdict(prediction, plan, machine)
    recommended = recommend(body, plan, machine)
    if verdict is not Verdict.FITS and not recommended:
        reason += " No setting makes it fit; take a smaller quantisation or model."
    return Report(prediction, verdict, reason, machine, recommended, tuple(_notes(body, plan)))


def _verdict(prediction: Prediction, plan: Plan, machine: Machine) -> tuple[Verdict, str]:
    slots = "one conversation" if plan.parallel == 1 else f"{plan.parallel} conversations"
    what = f"Needs {size(prediction.total)} for {slots} of {plan.ctx_size:,} tokens"
    for device, used in zip(machine.devices, prediction.devices, strict=False):
        if used > device.total * _CARD_RESERVE:
            return Verdict.NO, f"{what}, {size(used)} of it on {device.name}, which has {size(device.total)}."
    if prediction.host > machine.most:
        limit = "this machine can give" if machine.most < (machine.limit or machine.total + 1) else "engines may use"
        return Verdict.NO, f"{what}; {limit} {size(machine.most)} at most."
    for device, used in zip(machine.devices, prediction.devices, strict=False):
        if used > device.available * _CARD_RESERVE:
            return (
                Verdict.TIGHT,
                f"{what}, {size(used)} of it on {device.name}, where {size(device.available)} are free now.",
            )
    if prediction.host > machine.free:
        return Verdict.TIGHT, f"{what}; {size(machine.free)} can be given now, so others have to leave first."
    return Verdict.FITS, f"{what}; {size(machine.free)} can be given now."


def recommend(body: Body, plan: Plan, machine: Machine) -> dict[str, Any]:
    """Settings by their wire names with which it fits: now where that is possible, else when others leave. Empty when nothing helps."""
    for room in (machine.free, machine.most):
        for one in _candidates(body, plan):
            placed = _placed(body, one, machine)
            if placed is not None and predict(body, placed, machine).host <= room:
                return _as_wire(placed, machine)
    return {}


def _candidates(body: Body, plan: Plan) -> Iterator[Plan]:
    """From what one wants most to what is just enough: long contexts, then smaller caches, then fewer slots."""
    trained = body.anatomy.trained or COMFORT
    longest = max(min(trained, COMFORT), min(plan.ctx_size, trained))
    contexts = sorted({longest, *(one for one in CONTEXTS if one < longest)}, reverse=True)
    plain = replace(plan, cache_type_k="f16", cache_type_v="f16", flash_attn=True)
    small = replace(plain, cache_type_k="q8_0", cache_type_v="q8_0")
    for context in contexts:
        if context >= min(LEAST, longest):
            yield replace(plain, ctx_size=context)
            yield replace(small, ctx_size=context)
    for slots in sorted({1, 2, plan.parallel}, reverse=True):
        if slots <= plan.parallel:
            for context in contexts:
                if context <= LEAST:
                    yield replace(small, ctx_size=context, parallel=slots)


def _placed(body: Body, plan: Plan, machine: Machine) -> Plan | None:
    """The plan with as many layers on the cards as fit there now; None when not even none does."""
    if not machine.devices:
        return plan

    def fits(layers: int) -> bool:
        used = predict(body, replace(plan, gpu_layers=layers), machine).devices
        return all(one <= card.available * _CARD_RESERVE for one, card in zip(used, machine.devices, strict=False))

    # The more layers, the more memory, so the most that fit are found by halving.
    layers = bisect_left(range(1, len(body.anatomy.layers) + 2), True, key=lambda count: not fits(count))
    return replace(plan, gpu_layers=layers) if layers or fits(0) else None


def _as_wire(plan: Plan, machine: Machine) -> dict[str, Any]:
    values: dict[str, Any] = {
        "ctxSize": plan.ctx_size,
        "parallel": plan.parallel,
        "cacheTypeK": plan.cache_type_k,
        "cacheTypeV": plan.cache_type_v,
        "threads": machine.cores,
    }
    return values | ({"gpuLayers": plan.gpu_layers} if machine.devices else {})


def _notes(body: Body, plan: Plan) -> Iterator[str]:
    """What one should know beside the memory."""
    own = body.anatomy
    if own.trained and plan.ctx_size > own.trained:
        yield f"It was trained with {own.trained:,} tokens of context; answers get worse beyond that."
    if own.unknown:
        yield "Some of its tensors have a type that is not known here; their size is taken from the file."
    if own.restores and any(layer.state for layer in own.layers):
        yield "It keeps a state instead of all that was read, so its memory hardly grows with the context."


def size(count: int) -> str:
    """Bytes for people."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count // 1000} kB"
