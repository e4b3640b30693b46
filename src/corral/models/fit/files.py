"""The files that an engine loads, read for their headers, and the memory that all of them need together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corral.kit.errors import InvalidRequest
from corral.models.fit import memory
from corral.models.fit.anatomy import Anatomy, anatomy
from corral.models.fit.types import Machine, Plan, Prediction
from corral.models.gguf import GgufError, Header, read_header
from corral.models.options.launching import embeds, projector, shape
from corral.models.options.values import merge
from corral.models.types import Model

_SPLIT = re.compile(r"^(?P<stem>.+)-(?P<part>\d{5})-of-(?P<total>\d{5})$")
# The tensors of speculation by a model's own layers are not loaded without it.
_PICTURE_SIDE, _PATCH = 336, 14


@dataclass(frozen=True, slots=True)
class Picture:
    """A projector: its bytes, the compute memory of its encoder and of one picture."""

    weights: int
    compute: int


@dataclass(frozen=True, slots=True)
class Body:
    """All that an engine of one model loads."""

    anatomy: Anatomy
    picture: Picture | None = None
    draft: Anatomy | None = None
    adapters: int = 0


@dataclass(frozen=True, slots=True)
class Base:
    """What the settings of the server say where nothing is set for a model."""

    context: int
    slots: int


def plan_of(model: Model, values: Mapping[str, Any], base: Base) -> Plan:
    """The plan of a model's engine; `values` are those that were set, by Python names."""
    context, slots = shape(values, context=base.context, slots=base.slots, trained=model.context_length)
    plain = Plan()
    given = merge({name: getattr(plain, name) for name in _SAME}, {name: values.get(name) for name in _SAME})
    given["ubatch_size"] = min(given["ubatch_size"], given["batch_size"])
    return Plan(
        ctx_size=context,
        parallel=slots,
        flash_attn=values.get("flash_attn", "auto") != "off",
        tensor_split=tuple(values.get("tensor_split") or ()),
        embeddings=embeds(values, model.embeddings),
        **given,
    )


_SAME = (
    "batch_size", "ubatch_size", "cache_type_k", "cache_type_v", "kv_unified", "swa_full", "kv_offload", "gpu_layers",
    "n_cpu_moe", "main_gpu", "split_mode", "cache_ram", "ctx_checkpoints", "checkpoint_min_step", "mmproj_offload",
    "image_max_tokens", "load_mode", "repack", "draft_gpu_layers", "draft_cache_type_k", "draft_cache_type_v",
)  # fmt: skip


def read_body(model: Model, values: Mapping[str, Any], plan: Plan) -> Body:
    """Reads the headers. Raises InvalidRequest, for a file that an option names with its field."""
    folder = model.path.parent
    try:
        own = anatomy([read_header(path) for path in parts(model)])
    except GgufError as error:
        raise InvalidRequest(f"The model {model.name!r} {error}.") from None
    picture = projector(values, model.mmproj, folder)
    guesser = values.get("model_draft")
    return Body(
        own,
        _named("mmproj", picture, lambda header: picture_of(header, plan)) if picture else None,
        _named("modelDraft", folder / guesser, lambda header: anatomy([header])) if guesser else None,
        sum(_named("lora", folder / path, _weights) for path in values.get("lora") or ()),
    )


def parts(model: Model) -> list[Path]:
    """The files of a model in their order."""
    split = _SPLIT.match(model.path.stem)
    if model.parts == 1 or split is None:
        return [model.path]
    stem, total, suffix = split["stem"], split["total"], model.path.suffix
    return [model.path.with_name(f"{stem}-{part:05d}-of-{total}{suffix}") for part in range(1, model.parts + 1)]


def picture_of(header: Header, plan: Plan) -> Picture:
    """What a projector needs, for the largest picture that it takes at once."""
    prefix = "clip.vision."
    side = header.number(prefix + "image_size") or _PICTURE_SIDE
    patch = header.number(prefix + "patch_size") or _PATCH
    width, inner = header.number(prefix + "embedding_length") or 0, header.number(prefix + "feed_forward_length") or 0
    patches = (side // max(1, patch)) ** 2
    if plan.image_max_tokens > 0:
        patches = max(patches, 4 * plan.image_max_tokens)
    return Picture(_weights(header), memory.projector(width, inner, patches, side))


def predict(body: Body, plan: Plan, machine: Machine) -> Prediction:
    """The memory of everything."""
    devices = len(machine.devices)
    found = memory.predict(body.anatomy, plan, devices=devices)
    on_cards = list(found.devices)
    if body.picture is not None:
        found.parts.projector = body.picture.weights + body.picture.compute
        if on_cards and plan.mmproj_offload:
            on_cards[0] += body.picture.weights
    if body.draft is not None:
        found.parts.draft = memory.draft(body.draft, plan)
        if on_cards and plan.draft_gpu_layers != 0:
            on_cards[0] += body.draft.weights
    found.parts.adapters = body.adapters
    return Prediction(found.parts, tuple(on_cards), found.gpu_layers)


def _weights(header: Header) -> int:
    return sum(tensor.size or 0 for tensor in header.tensors)


def _named(field: str, path: Path, read: Any) -> Any:
    try:
        return read(read_header(path))
    except GgufError as error:
        text = f"{path.name} {error}"
    raise InvalidRequest(f"{field}: {text}.", details={"fields": {field: text}}, param=field)
