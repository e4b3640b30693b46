"""Corral with a scripted service of every kind behind it, and the included model on a real engine."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support.providers import FakeProvider, fake_provider
from tests.support.server import Server

ELSEWHERE = ("openai", "compatible", "anthropic", "gemini", "ollama")
"""The kinds of providers, which are also the names that they have here."""
LOCAL = "corral-demo"
KEY = "a-key-of-tests"
TEXT = "Grüße vom Zaun: zwölf 🐴 Pferde schauen herüber."
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
SEEN_IMAGE = f"image/png {hashlib.sha256(PNG).hexdigest()}"
WEATHER: dict[str, Any] = {
    "type": "object", "properties": {"city": {"type": "string", "enum": ["Paris"]}}, "required": ["city"], "additionalProperties": False,
}  # fmt: skip


def model_of(kind: str) -> str:
    """The public name of a model of the provider `kind`; of the own engine for `local`."""
    return LOCAL if kind == "local" else f"{kind}/scripted"


class Gateway:
    """The server and the services behind it, by kind."""

    def __init__(self, server: Server, providers: dict[str, FakeProvider]) -> None:
        self.server = server
        self.providers = providers

    def script(self, kind: str, **act: Any) -> None:
        """What the provider `kind` does from now on; the own engine has a script of its own."""
        if kind != "local":
            self.providers[kind].script({"text": TEXT, **act} if not {"echo", "echo_images"} & set(act) else act)

    def calm(self) -> None:
        """All services answer as they do by themselves, whatever an earlier test had them do."""
        for provider in self.providers.values():
            provider.script()

    def script_tool(self, kind: str) -> None:
        """It calls the tool that it has to call. Ollama's API cannot force one, so there the script decides."""
        call = {"name": "get_weather", "arguments": {"city": "Paris"}}
        self.script(kind, text="", **({"tool_calls": [call]} if kind == "ollama" else {}))

    def text(self, kind: str) -> str:
        """What is answered to `ping`."""
        return "pong" if kind == "local" else TEXT


def provider_entry(kind: str, provider: FakeProvider) -> str:
    """The entry of a scripted service in corral.toml."""
    return f'[providers.{kind}]\nkind = "{kind}"\nbase_url = "{provider.base_url}"\napi_key_env = "TEST_KEY"\n'


@contextmanager
def gateway(data: Path, extra: str = "", kinds: tuple[str, ...] = ELSEWHERE, **environ: str) -> Iterator[Gateway]:
    """Starts all; `extra` is more text for corral.toml, in front of the tables."""
    with ExitStack() as stack:
        providers = {kind: stack.enter_context(fake_provider(kind)) for kind in kinds}
        entries = "\n".join(provider_entry(kind, provider) for kind, provider in providers.items())
        data.mkdir(parents=True, exist_ok=True)
        (data / "corral.toml").write_text(f"{extra}\n{entries}")
        server = Server(data)
        server.start(TEST_KEY=KEY, **environ)
        stack.callback(server.stop)
        yield Gateway(server, providers)
