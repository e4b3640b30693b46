"""The scripted providers as processes of their own; see `tests.fakes.providers` for what a script can say."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.certificates import Certificate

ROOT = Path(__file__).resolve().parent.parent.parent


class FakeProvider:
    """A running one. `base_url` is what a provider's settings hold; `context` trusts its certificate, when it has one."""

    def __init__(self, kind: str, port: int, context: ssl.SSLContext | None = None) -> None:
        self.kind = kind
        self.port = port
        self.context = context
        self.url = f"{'http' if context is None else 'https'}://127.0.0.1:{port}"
        self.base_url = self.url + {"openai": "/v1", "compatible": "/v1"}.get(kind, "")

    def script(self, default: dict[str, Any] | None = None, /, **script: Any) -> None:
        """From now on it behaves so, and forgets what it has seen. `default` is the act of every request."""
        self._post("/_script", {"default": default or {}, **script})

    def then(self, *acts: dict[str, Any]) -> None:
        """The next requests go so, one act each."""
        self._post("/_next", list(acts))

    def seen(self) -> list[dict[str, Any]]:
        """The requests since the last `script`."""
        found: list[dict[str, Any]] = self.state()["requests"]
        return found

    def state(self) -> dict[str, Any]:
        """`requests`, `open` (being answered) and `connections`, this one among them."""
        with urllib.request.urlopen(self._at("/_seen"), timeout=30, context=self.context) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found

    def _post(self, path: str, body: Any) -> None:
        data = json.dumps(body).encode()
        request = urllib.request.Request(self._at(path), data)
        with urllib.request.urlopen(request, timeout=30, context=self.context) as answer:
            answer.read()

    def _at(self, path: str) -> str:
        return f"{self.url}{path}"


@contextmanager
def fake_provider(
    kind: str, default: dict[str, Any] | None = None, certificate: Certificate | None = None
) -> Iterator[FakeProvider]:
    """A scripted provider on a free port of loopback, with `default` as the act of every request; over TLS with a certificate."""
    command = [sys.executable, "-m", "tests.fakes.providers", kind]
    context = None
    if certificate is not None:
        command += ["--tls", str(certificate.chain), str(certificate.key)]
        context = ssl.create_default_context(cafile=str(certificate.authority))
        # A test's own way in does not mind for whom the certificate is.
        context.check_hostname = certificate.host == "127.0.0.1"
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        provider = FakeProvider(kind, int(process.stdout.readline()), context)
        provider.script(default)
        yield provider
    finally:
        process.kill()
        process.wait()
