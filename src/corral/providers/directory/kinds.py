"""The kinds of providers and the services that are known, as a page offers them. Addresses and notes as of 2025-06; all can be changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pydantic.alias_generators import to_camel

from corral.providers.vendors import VENDORS
from corral.settings.gateway import ProviderEntry


@dataclass(frozen=True, slots=True)
class Card:
    """A service to choose. `base_url` is where it usually is, `key_url` where its keys are made."""

    kind: str
    title: str
    description: str
    base_url: str
    vendor: str | None = None
    key_needed: bool = True
    key_url: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The wire form."""
        return {to_camel(name): value for name, value in asdict(self).items()}


_HOME = "http://127.0.0.1"
_OWN = {
    "vllm": (f"{_HOME}:8000/v1", "A vLLM server of your own."),
    "sglang": (f"{_HOME}:30000/v1", "An SGLang server of your own."),
    "lmstudio": (f"{_HOME}:1234/v1", "The server of LM Studio."),
    "llamacpp": (f"{_HOME}:8080/v1", "A llama-server of your own."),
}
"""Services that run on machines of one's own: where they usually listen; they want no key unless they were told to."""
_ELSEWHERE = {
    "openrouter": ("Models of many services behind one key.", "https://openrouter.ai/keys"),
    "groq": ("Open models at high speed.", "https://console.groq.com/keys"),
    "mistral": ("Mistral's own models.", "https://console.mistral.ai/api-keys"),
    "deepseek": ("DeepSeek's own models.", "https://platform.deepseek.com/api_keys"),
    "together": ("Open models in the cloud.", "https://api.together.ai/settings/api-keys"),
    "fireworks": ("Open models in the cloud.", "https://fireworks.ai/account/api-keys"),
    "xai": ("Grok models.", "https://console.x.ai"),
    "cerebras": ("Open models at high speed.", "https://cloud.cerebras.ai"),
    "azure": ("OpenAI's models in a resource of Azure; its address ends in /openai/v1.", "https://portal.azure.com"),
}


def _compatible(vendor: str) -> Card:
    known = VENDORS[vendor]
    if vendor in _OWN:
        place, text = _OWN[vendor]
        return Card("compatible", known.title, text, known.base_url or place, vendor, key_needed=False)
    text, page = _ELSEWHERE.get(vendor, ("", None))
    return Card("compatible", known.title, text, known.base_url, vendor, key_url=page)


CARDS = (
    Card("openai", "OpenAI", "GPT models, over the Chat Completions and Responses APIs.", "https://api.openai.com/v1",
         key_url="https://platform.openai.com/api-keys"),
    Card("anthropic", "Anthropic", "Claude models, over the Messages API.", "https://api.anthropic.com",
         key_url="https://console.anthropic.com/settings/keys"),
    Card("gemini", "Google Gemini", "Gemini models, over the Gemini API.", "https://generativelanguage.googleapis.com",
         key_url="https://aistudio.google.com/apikey"),
    Card("ollama", "Ollama", "Models of an Ollama on this or another machine.", "http://127.0.0.1:11434", key_needed=False),
    *map(_compatible, VENDORS),
    Card("compatible", "Other", "Any service that speaks OpenAI's Chat Completions API.", "", key_needed=False),
)  # fmt: skip


def card(entry: ProviderEntry) -> Card:
    """What is known of the service of an entry."""
    same = [one for one in CARDS if one.kind == entry.kind]
    return next((one for one in same if one.vendor == entry.vendor), same[-1])


def address(entry: ProviderEntry) -> str:
    """What is called; empty where it has to be set."""
    if entry.base_url is not None:
        return entry.base_url
    if entry.kind == "compatible":
        known = VENDORS.get(entry.vendor or "")
        return known.base_url if known is not None else ""
    return card(entry).base_url
