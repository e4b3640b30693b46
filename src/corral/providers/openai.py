"""OpenAI: chats, responses, completions, embeddings. https://platform.openai.com/docs/api-reference"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from corral.dialects.openai_chat import OPENAI
from corral.dialects.openai_responses import without_foreign_proofs
from corral.dialects.ports import Dialect
from corral.dialects.registry import DIALECTS
from corral.providers.bodies import only
from corral.providers.remote import RemoteProvider, count_of
from corral.providers.types import Abilities, Call, Kind, Operation, ProviderModel

_PATHS = {
    ("chat", "openai_chat"): "/chat/completions",
    ("chat", "openai_responses"): "/responses",
    ("completions", "openai"): "/completions",
    ("embeddings", "openai"): "/embeddings",
    ("rerank", "openai"): "/rerank",
    ("count_tokens", "openai_responses"): "/responses/input_tokens",
}
_COUNTED = frozenset(
    {
        "conversation", "input", "instructions", "model", "parallel_tool_calls", "previous_response_id", "reasoning", "text",
        "tool_choice", "tools", "truncation",
    }
)  # fmt: skip


class OpenAIProvider(RemoteProvider):
    """The service. Its answers begin anew behind an assistant message: there is no prefill."""

    kind: ClassVar[Kind] = "openai"
    default_url = "https://api.openai.com/v1"
    spoken: ClassVar[Mapping[Operation, tuple[str, ...]]] = {
        "chat": ("openai_chat", "openai_responses"),
        "completions": ("openai",),
        "embeddings": ("openai",),
        "count_tokens": ("openai_responses",),
    }
    usual = Abilities(prefill=False, tools=True, images=True, json_schema=True)

    def dialect(self, name: str) -> Dialect:
        """See `Provider.dialect`."""
        return OPENAI if name == "openai_chat" else DIALECTS[name]

    def _path(self, call: Call) -> str:
        return _PATHS[call.operation, call.dialect]

    def _passed(self, call: Call) -> Mapping[str, str]:
        return {"x-client-request-id": call.request_id} if call.request_id else {}

    def _body(self, call: Call) -> bytes:
        body = only(call.body, _COUNTED) if call.operation == "count_tokens" else call.body
        # What other providers proved of their thinking is refused there.
        return without_foreign_proofs(body) if call.dialect == "openai_responses" else body

    def _first_page(self) -> str:
        return "/models"

    def _page(self, told: Any) -> tuple[list[ProviderModel], str | None]:
        rows = told["data"]
        return [ProviderModel(str(row["id"]), created=count_of(row.get("created"))) for row in rows], None
