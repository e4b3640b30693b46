"""Anthropic: messages and the counting of their tokens. https://docs.anthropic.com/en/api"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from corral.dialects.anthropic.models import generation
from corral.providers.bodies import only
from corral.providers.remote import RemoteProvider, text_of
from corral.providers.types import Abilities, Call, Kind, Operation, ProviderKey, ProviderModel

VERSION = "2023-06-01"
"""Of the API; every call names it."""

_PASSED = ("anthropic-beta", "anthropic-version")
_COUNTED = frozenset(
    {
        "context_management",
        "mcp_servers",
        "messages",
        "model",
        "output_config",
        "system",
        "thinking",
        "tool_choice",
        "tools",
    }
)


class AnthropicProvider(RemoteProvider):
    """The service."""

    kind: ClassVar[Kind] = "anthropic"
    default_url = "https://api.anthropic.com"
    endings = ("/v1",)
    spoken: ClassVar[Mapping[Operation, tuple[str, ...]]] = {"chat": ("anthropic",), "count_tokens": ("anthropic",)}
    usual = Abilities(tools=True, images=True, files=True)

    def abilities(self, model: str) -> Abilities:
        """See `Provider.abilities`. Models from Claude 4.6 on refuse a last assistant message; older ones go on with it."""
        return super().abilities(model).over(Abilities(prefill=_continues(model), json_schema=_structures(model)))

    def _path(self, call: Call) -> str:
        return "/v1/messages/count_tokens" if call.operation == "count_tokens" else "/v1/messages"

    def _auth(self, key: ProviderKey) -> Mapping[str, str]:
        return {"x-api-key": key.value}

    def _passed(self, call: Call) -> Mapping[str, str]:
        sent = {name: call.headers[name] for name in _PASSED if name in call.headers}
        return {"anthropic-version": VERSION, **sent}

    def _lines(self, key: ProviderKey | None) -> dict[str, str]:
        return {"anthropic-version": VERSION, **super()._lines(key)}

    def _body(self, call: Call) -> bytes:
        return only(call.body, _COUNTED) if call.operation == "count_tokens" else call.body

    def _first_page(self) -> str:
        return "/v1/models?limit=1000"

    def _page(self, told: Any) -> tuple[list[ProviderModel], str | None]:
        models = [
            ProviderModel(str(row["id"]), text_of(row.get("display_name")), created=_seconds(row.get("created_at")))
            for row in told["data"]
        ]
        following, last = None, told.get("last_id")
        if told.get("has_more") and isinstance(last, str) and last:
            following = "/v1/models?" + urlencode({"limit": 1000, "after_id": last})
        return models, following


def _seconds(moment: Any) -> int | None:
    try:
        return int(datetime.fromisoformat(moment).timestamp())
    except (TypeError, ValueError, OverflowError):
        return None


def _continues(model: str) -> bool | None:
    """Whether a model goes on with a last assistant message, as far as its name tells: claude-FAMILY-MAJOR-MINOR, or the older
    claude-MAJOR-MINOR-FAMILY, which all do."""
    parts = model.removeprefix("claude-").split("-")
    if len(parts) == len(model.split("-")):
        return None
    if parts[0].isdigit():
        return True
    numbers = [int(part) for part in parts[1:3] if part.isdigit() and len(part) < 4]
    return [*numbers, 0][:2] < [4, 6] if numbers else None


def _structures(model: str) -> bool | None:
    """Whether a model has structured outputs, as far as its name tells: those from 4.5 on, and Opus 4.1 (as of November 2026)."""
    found = generation(model)
    return None if found is None else found >= (4, 5) or ("opus" in model and found >= (4, 1))
