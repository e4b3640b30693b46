"""Services that follow OpenAI's API; what they differ in is in `vendors`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from corral.dialects.openai_chat import OpenAIChat
from corral.dialects.ports import Dialect
from corral.dialects.registry import DIALECTS
from corral.kit.clock import Clock
from corral.kit.errors import InvalidRequest
from corral.providers.bodies import changed, raw
from corral.providers.remote import RemoteProvider, count_of, known, text_of
from corral.providers.transport import Transport
from corral.providers.types import (
    Abilities,
    Call,
    Kind,
    Operation,
    Prices,
    ProviderKey,
    ProviderModel,
    ProviderSpec,
)
from corral.providers.vendors import OTHER, VENDORS

_PATHS: Mapping[Operation, str] = {
    "chat": "/chat/completions",
    "completions": "/completions",
    "embeddings": "/embeddings",
    "rerank": "/rerank",
}
_TRUE = msgspec.Raw(b"true")
_FALSE = msgspec.Raw(b"false")
_MESSAGES = msgspec.json.Decoder(list[msgspec.Raw])
_CONTEXT = ("context_length", "max_model_len", "context_window", "max_context_length", "max_context_tokens")


class CompatibleProvider(RemoteProvider):
    """Such a service. Raises InvalidRequest for a vendor that nobody knows, and for an address that is missing."""

    kind: ClassVar[Kind] = "compatible"
    spoken: ClassVar[Mapping[Operation, tuple[str, ...]]] = {"chat": ("openai_chat",)}

    def __init__(self, spec: ProviderSpec, transport: Transport | None = None, clock: Clock | None = None) -> None:
        if spec.vendor is not None and spec.vendor not in VENDORS:
            known = ", ".join(VENDORS)
            raise InvalidRequest(f"There is no vendor {spec.vendor!r}; known are {known}.", param="vendor")
        self.vendor = VENDORS[spec.vendor] if spec.vendor is not None else OTHER
        if not spec.base_url and not self.vendor.base_url:
            raise InvalidRequest(f"The provider {spec.name!r} needs an address.", param="base_url")
        super().__init__(spec, transport, clock)
        self._dialect: Dialect = OpenAIChat(self.vendor.flavour)
        self._dialects: Mapping[Operation, tuple[str, ...]] = {
            operation: ("openai_chat",) if operation == "chat" else ("openai",) for operation in self.vendor.operations
        }

    @property
    def default_address(self) -> str:
        """The vendor's own."""
        return self.vendor.base_url

    @property
    def dialects(self) -> Mapping[Operation, tuple[str, ...]]:
        """See `Provider.dialects`."""
        return self._dialects

    def dialect(self, name: str) -> Dialect:
        """See `Provider.dialect`."""
        return self._dialect if name == "openai_chat" else DIALECTS[name]

    def abilities(self, model: str) -> Abilities:
        """See `Provider.abilities`."""
        vendor = self.vendor
        prefill = Abilities(prefill=vendor.prefill != "no" if vendor is not OTHER else None)
        return super().abilities(model).over(vendor.abilities).over(prefill)

    def _path(self, call: Call) -> str:
        return self.vendor.paths.get(call.operation) or _PATHS[call.operation]

    def _auth(self, key: ProviderKey) -> Mapping[str, str]:
        return {self.vendor.key_header: self.vendor.key_prefix + key.value}

    def _body(self, call: Call) -> bytes:
        vendor = self.vendor
        if vendor.drop or vendor.rename or vendor.prefill in ("prefix", "continue_final"):
            return changed(call.body, self._adapt)
        return call.body

    def _adapt(self, fields: dict[str, msgspec.Raw]) -> bool:
        """Changes a request into what the vendor knows; tells whether there was anything to change."""
        vendor = self.vendor
        unknown = vendor.drop & fields.keys()
        for name in unknown:
            del fields[name]
        renamed = [name for name in vendor.rename if name in fields]
        for name in renamed:
            fields.setdefault(vendor.rename[name], fields.pop(name))
        return self._mark_prefill(fields) or bool(unknown or renamed)

    def _mark_prefill(self, fields: dict[str, msgspec.Raw]) -> bool:
        if self.vendor.prefill not in ("prefix", "continue_final"):
            return False
        messages, last = _last_message(fields)
        if bytes(last.get("role", b"")) != b'"assistant"' or "tool_calls" in last:
            return False
        if self.vendor.prefill == "prefix":
            last["prefix"] = _TRUE
            fields["messages"] = raw([*messages[:-1], last])
        else:
            fields.setdefault("continue_final_message", _TRUE)
            fields.setdefault("add_generation_prompt", _FALSE)
        return True

    def _first_page(self) -> str:
        return "/models"

    def _page(self, told: Any) -> tuple[list[ProviderModel], str | None]:
        rows = told if isinstance(told, list) else told["data"]
        return [_model(row) for row in rows], None


def _last_message(fields: Mapping[str, msgspec.Raw]) -> tuple[list[msgspec.Raw], dict[str, msgspec.Raw]]:
    """All messages, and the fields of the last one; nothing where that cannot be read, which the provider will say itself."""
    try:
        messages = _MESSAGES.decode(fields["messages"])
        return messages, msgspec.json.decode(messages[-1], type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, KeyError, IndexError):
        return [], {}


def _model(row: Mapping[str, Any]) -> ProviderModel:
    """A model, with as much as its vendor tells of it."""
    top = row.get("top_provider") or {}
    limit = top.get("max_completion_tokens") or row.get("max_completion_tokens")
    context = next((found for name in _CONTEXT if (found := count_of(row.get(name))) is not None), None)
    return ProviderModel(
        str(row["id"]),
        text_of(row.get("name") or row.get("display_name")),
        context,
        count_of(limit),
        _abilities(row),
        _prices(row.get("pricing")),
        count_of(row.get("created")),
    )


def _abilities(row: Mapping[str, Any]) -> Abilities:
    found = Abilities()
    modalities = (row.get("architecture") or {}).get("input_modalities")
    if isinstance(modalities, list):
        found = Abilities(images="image" in modalities, audio="audio" in modalities, files="file" in modalities)
    supported = row.get("supported_parameters")
    if isinstance(supported, list):
        found = found.over(
            Abilities(
                tools="tools" in supported,
                json_schema="structured_outputs" in supported,
                reasoning="reasoning" in supported,
            )
        )
    able = row.get("capabilities")
    if isinstance(able, dict):
        found = found.over(Abilities(tools=known(able.get("function_calling")), images=known(able.get("vision"))))
    return found


def _prices(told: Any) -> Prices | None:
    """OpenRouter tells dollars a token, as text; Together dollars a million tokens, as numbers."""
    if not isinstance(told, dict):
        return None
    if "prompt" in told:
        names, scale = ("prompt", "completion", "input_cache_read", "input_cache_write"), 1e6
    elif "input" in told:
        names, scale = ("input", "output", "cached_input", "cache_write"), 1.0
    else:
        return None
    return Prices(*(_amount(told.get(name), scale) for name in names))


def _amount(told: Any, scale: float) -> float | None:
    try:
        amount = float(told) * scale
    except (TypeError, ValueError, OverflowError):
        return None
    # Some say -1 for what depends on the request.
    return round(amount, 9) if 0 <= amount < 1e9 else None
