"""Google's Gemini: generateContent. https://ai.google.dev/api"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

import msgspec

from corral.kit.errors import UpstreamFailed
from corral.providers.bodies import fields_of, raw
from corral.providers.remote import RemoteProvider, count_of, known, text_of
from corral.providers.types import Abilities, Call, Kind, Operation, ProviderKey, ProviderModel

_COUNTED = frozenset({"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "cachedContent"})


class GeminiProvider(RemoteProvider):
    """The service. The model and whether to stream are told by the path."""

    kind: ClassVar[Kind] = "gemini"
    default_url = "https://generativelanguage.googleapis.com"
    spoken: ClassVar[Mapping[Operation, tuple[str, ...]]] = {"chat": ("gemini",), "count_tokens": ("gemini",)}
    usual = Abilities(tools=True, images=True, audio=True, files=True, json_schema=True)

    def _path(self, call: Call) -> str:
        model = quote(call.model.removeprefix("models/"), safe="")
        if call.operation == "count_tokens":
            return self._versioned(f"/models/{model}:countTokens")
        if call.stream:
            return self._versioned(f"/models/{model}:streamGenerateContent?alt=sse")
        return self._versioned(f"/models/{model}:generateContent")

    def _auth(self, key: ProviderKey) -> Mapping[str, str]:
        # Never in the address, where it would be logged.
        return {"x-goog-api-key": key.value}

    def _body(self, call: Call) -> bytes:
        fields = fields_of(call.body)
        if call.operation == "count_tokens":
            asked = {name: value for name, value in fields.items() if name in _COUNTED}
            asked["model"] = raw("models/" + call.model.removeprefix("models/"))
            return msgspec.json.encode({"generateContentRequest": asked})
        # These two are not fields of the body, though a body that went through a route may have them.
        extra = [fields.pop(name) for name in ("model", "stream") if name in fields]
        return msgspec.json.encode(fields) if extra else call.body

    def _counted(self, body: bytes) -> bytes:
        try:
            return msgspec.json.encode({"input_tokens": int(msgspec.json.decode(body)["totalTokens"])})
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            raise UpstreamFailed("The provider's count of tokens is not in its form.") from None

    def _first_page(self) -> str:
        return self._versioned("/models?pageSize=1000")

    def _page(self, told: Any) -> tuple[list[ProviderModel], str | None]:
        models = [
            ProviderModel(
                str(row["name"]).removeprefix("models/"),
                text_of(row.get("displayName")),
                count_of(row.get("inputTokenLimit")),
                count_of(row.get("outputTokenLimit")),
                Abilities(reasoning=known(row.get("thinking"))),
            )
            for row in told.get("models", ())
            if "generateContent" in row.get("supportedGenerationMethods", ("generateContent",))
        ]
        token = told.get("nextPageToken")
        following = (
            self._versioned("/models?" + urlencode({"pageSize": 1000, "pageToken": token}))
            if isinstance(token, str) and token
            else None
        )
        return models, following

    def _versioned(self, path: str) -> str:
        """Addresses are written with and without the version."""
        last = self.url.prefix.rpartition("/")[2]
        return path if last.startswith("v1") else f"/v1beta{path}"
