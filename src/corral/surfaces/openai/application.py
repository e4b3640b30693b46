"""OpenAI's API on Corral's models: chats, completions, embeddings and models, and `/v1/rerank` in the form that others share."""

from __future__ import annotations

from corral.accounts.types import Permission
from corral.inference import Inference
from corral.inference.tap import Meter
from corral.surfaces.listing import Models
from corral.surfaces.openai.models import ModelList, OneModel
from corral.surfaces.openai.relay import Limits, Relay
from corral.surfaces.table import RouteTable

PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/rerank")


def add_openai(
    table: RouteTable, inference: Inference, models: Models, meter: Meter, limits: Limits, prefix: str = ""
) -> None:
    """Adds the routes, under `prefix`."""
    for path in PATHS:
        table.add("POST", prefix + path, Permission.INFERENCE, Relay(path, inference, meter, limits))
    table.add("GET", f"{prefix}/v1/models", Permission.MODELS_READ, ModelList(models))
    table.add("GET", f"{prefix}/v1/models/{{}}", Permission.MODELS_READ, OneModel(models))
