"""From a description to a provider."""

from __future__ import annotations

from importlib import import_module

from corral.kit.clock import Clock
from corral.kit.errors import InvalidRequest
from corral.providers.transport import Transport
from corral.providers.types import Provider, ProviderSpec

_PLACES = {
    "openai": "OpenAIProvider",
    "compatible": "CompatibleProvider",
    "anthropic": "AnthropicProvider",
    "gemini": "GeminiProvider",
    "ollama": "OllamaProvider",
}


def build_provider(spec: ProviderSpec, clock: Clock | None = None, transport: Transport | None = None) -> Provider:
    """The provider that `spec` describes; nothing is called yet, and only its own module is loaded. `transport` is for another
    way there than the one that belongs to its address.

    Raises InvalidRequest naming the field at fault: `kind` (own engines are not described so), `vendor`, `base_url`.
    """
    if spec.kind not in _PLACES:
        raise InvalidRequest(f"A provider of the kind {spec.kind!r} cannot be set up.", param="kind")
    module = import_module(f"corral.providers.{spec.kind}")
    provider: Provider = getattr(module, _PLACES[spec.kind])(spec, transport, clock)
    return provider
