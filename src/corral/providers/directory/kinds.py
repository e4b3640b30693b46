"""The kinds of providers and the services that are known, as a page offers them. Addresses and notes as of 2025-06; all can be changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pydantic.alias_generators import to_camel

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


CARDS = (
    Card("openai", "OpenAI", "GPT models, over the Chat Completions and Responses APIs.", "https://api.openai.com/v1",
         key_url="https://platform.openai.com/api-keys"),
    Card("anthropic", "Anthropic", "Claude models, over the Messages API.", "https://api.anthropic.com",
         key_url="https://console.anthropic.com/settings/keys"),
    Card("gemini", "Google Gemini", "Gemini models, over the Gemini API.", "https://generativelanguage.googleapis.com",
         key_url="https://aistudio.google.com/apikey"),
    Card("ollama", "Ollama", "Models of an Ollama on this or another machine.", "http://127.0.0.1:11434", key_needed=False),
    Card("compatible", "OpenRouter", "Many services behind one key.", "https://openrouter.ai/api/v1", "openrouter",
         key_url="https://openrouter.ai/keys"),
    Card("compatible", "Groq", "Open models at high speed.", "https://api.groq.com/openai/v1", "groq",
         key_url="https://console.groq.com/keys"),
    Card("compatible", "Mistral", "Mistral's own models.", "https://api.mistral.ai/v1", "mistral",
         key_url="https://console.mistral.ai/api-keys"),
    Card("compatible", "DeepSeek", "DeepSeek's own models.", "https://api.deepseek.com/v1", "deepseek",
         key_url="https://platform.deepseek.com/api_keys"),
    Card("compatible", "Together", "Open models in the cloud.", "https://api.together.xyz/v1", "together",
         key_url="https://api.together.ai/settings/api-keys"),
    Card("compatible", "vLLM", "A vLLM server of your own.", "http://127.0.0.1:8000/v1", "vllm", key_needed=False),
    Card("compatible", "LM Studio", "The server of LM Studio.", "http://127.0.0.1:1234/v1", "lmstudio", key_needed=False),
    Card("compatible", "llama.cpp", "A llama-server on another machine.", "http://127.0.0.1:8080/v1", "llamacpp", key_needed=False),
    Card("compatible", "Other", "Any service that speaks OpenAI's Chat Completions API.", "", key_needed=False),
)  # fmt: skip


def card(entry: ProviderEntry) -> Card:
    """What is known of the service of an entry."""
    same = [one for one in CARDS if one.kind == entry.kind]
    return next((one for one in same if one.vendor == entry.vendor), same[-1])


def address(entry: ProviderEntry) -> str:
    """What is called."""
    return entry.base_url or card(entry).base_url
