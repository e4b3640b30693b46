"""OpenAI's API on Corral's models: chats, responses, completions, embeddings and models, and `/v1/rerank` in the form that others share."""

from __future__ import annotations

from corral.accounts.types import Permission
from corral.surfaces.calls import OPENAI, Answers, Calls, Manner
from corral.surfaces.door import Pace
from corral.surfaces.listing import Models
from corral.surfaces.openai.models import ModelList, OneModel
from corral.surfaces.openai.request import Parser
from corral.surfaces.table import RouteTable

MANNERS = {
    "/v1/chat/completions": Manner("chat", "openai_chat", Parser("/v1/chat/completions")),
    "/v1/responses": Manner("chat", "openai_responses", Parser("/v1/responses")),
    "/v1/completions": Manner("completions", OPENAI, Parser("/v1/completions")),
    "/v1/embeddings": Manner("embeddings", OPENAI, Parser("/v1/embeddings", streams=False)),
    "/v1/rerank": Manner("rerank", OPENAI, Parser("/v1/rerank", streams=False)),
}


def add_openai(table: RouteTable, answers: Answers, models: Models, pace: Pace, prefix: str = "") -> None:
    """Adds the routes, under `prefix`."""
    for path, manner in MANNERS.items():
        table.add("POST", prefix + path, Permission.INFERENCE, Calls(answers, manner, pace))
    table.add("GET", f"{prefix}/v1/models", Permission.MODELS_READ, ModelList(models))
    table.add("GET", f"{prefix}/v1/models/{{}}", Permission.MODELS_READ, OneModel(models))
