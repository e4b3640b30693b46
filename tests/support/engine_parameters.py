"""What the engine's parameters hold after options were told to it: by llama-server's arguments, or as the embedded child.

A program of its own, so that a crash of native code fails one test: it reads lines of JSON, `{"arguments": […]}` or
`{"config": {…}}`, and answers each with a line, an object of attribute to value or null for what was refused.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SKIPPED = {"hostnames", "port", "api_keys", "usage"}


class Parameters:
    """The program, asked from a test."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.support.engine_parameters"]
        pipe = subprocess.PIPE
        root = Path(__file__).parent.parent.parent
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, cwd=root
        )

    def of_arguments(self, arguments: list[str]) -> dict[str, Any] | None:
        """By the arguments of a llama-server."""
        return self._ask({"arguments": arguments})

    def of_config(self, config: dict[str, Any]) -> dict[str, Any] | None:
        """By the configuration of the embedded child."""
        return self._ask({"config": config})

    def close(self) -> None:
        """Ends the program."""
        self._process.kill()
        self._process.communicate()

    def _ask(self, question: dict[str, Any]) -> dict[str, Any] | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the engine's parameters crashed on {question}"
        found: dict[str, Any] | None = json.loads(line)
        return found


def flat(thing: Any, prefix: str = "") -> dict[str, Any]:
    """All attributes below `thing` by their dotted names."""
    found: dict[str, Any] = {}
    for name in dir(thing):
        if name.startswith("_") or name in SKIPPED:
            continue
        value = getattr(thing, name)
        if callable(value):
            continue
        kind = type(value).__name__
        if kind == "CommonGrammar":
            found[prefix + name] = [int(value.type), value.grammar]
        elif kind == "list":
            found[prefix + name] = [plain(one) for one in value]
        elif kind == "set":
            found[prefix + name] = sorted(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            found[prefix + name] = int(value)
        elif isinstance(value, (bool, float, str, dict)):
            found[prefix + name] = value
        else:
            found |= flat(value, f"{prefix}{name}.")
    return found


def plain(one: Any) -> Any:
    """An element of a list."""
    if hasattr(one, "scale"):
        return [one.path, one.scale]
    if hasattr(one, "bias"):
        return [one.token, one.bias]
    return int(one) if isinstance(one, int) and not isinstance(one, bool) else one


def main() -> None:
    from corral.engines.child import parameters
    from tests.fakes.llama_server import parsed

    for line in sys.stdin:
        question = json.loads(line)
        if "arguments" in question:
            params = parsed(question["arguments"])
        else:
            try:
                params = parameters(question["config"])
            except (RuntimeError, ValueError, TypeError, AttributeError, AssertionError):
                params = None
        sys.stdout.write(json.dumps(None if params is None else flat(params)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
