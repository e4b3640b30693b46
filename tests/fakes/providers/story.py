"""What a scripted provider says: one story, which each program tells in its protocol."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

Act = dict[str, Any]
TEXT = "Grüße aus dem Corral: über den Zaun schauen zwölf 🐴 Pferde, und keines läuft davon."


@dataclass
class Asked:
    """What every protocol asks, in one form."""

    model: str
    stream: bool = False
    user: str = ""
    images: list[str] = field(default_factory=list)
    tools: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    choice: str | None = None
    schema: dict[str, Any] | None = None
    json: bool = False
    max_tokens: int | None = None
    stop: list[str] = field(default_factory=list)
    prefill: str = ""
    partial: str = ""
    words: int = 1
    thinks: bool = False


@dataclass
class Piece:
    """A token: kind is reasoning, text, refusal or tool. The first piece of a tool has its name and id."""

    kind: str
    text: str
    index: int = 0
    name: str = ""
    id: str = ""


@dataclass
class Story:
    """What is said: pieces, how it ends (stop, length, tool_calls, stop_sequence, content_filter) and what it cost."""

    pieces: list[Piece]
    finish: str
    stop_sequence: str | None
    prompt: int
    completion: int
    cached: int
    written: int
    reasoning: int

    def joined(self, kind: str) -> str:
        """The whole text of a kind."""
        return "".join(piece.text for piece in self.pieces if piece.kind == kind)

    def calls(self) -> list[tuple[str, str, str]]:
        """Tool calls as (id, name, arguments)."""
        made: dict[int, list[str]] = {}
        for piece in self.pieces:
            if piece.kind == "tool":
                one = made.setdefault(piece.index, [piece.id, piece.name, ""])
                one[2] += piece.text
        return [(one[0], one[1], one[2]) for one in made.values()]


def tell(asked: Asked, act: Act, call_id: str = "call_") -> Story:
    """The story that `act` wants for what was asked."""
    pieces = [Piece("reasoning", word) for word in cut(act.get("reasoning", ""))]
    finish, sequence = "stop", None
    calls = act.get("tool_calls")
    if calls is None and asked.choice not in (None, "none", "auto"):
        named = [tool for tool in asked.tools if asked.choice in ("required", tool[0])][:1]
        calls = [{"name": name, "arguments": instance(schema)} for name, schema in named]
    if act.get("refusal"):
        pieces += [Piece("refusal", word) for word in cut(act["refusal"])]
    elif calls:
        if act.get("text"):
            pieces += [Piece("text", word) for word in cut(act["text"])]
        for index, call in enumerate(calls):
            arguments = call["arguments"]
            text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
            name, number = call["name"], call.get("id") or f"{call_id}{index + 1:08d}"
            pieces.append(Piece("tool", "", index, name, number))
            pieces += [Piece("tool", text[at : at + 5], index) for at in range(0, len(text), 5)]
        finish = "tool_calls"
    else:
        text = spoken(asked, act)
        for stop in asked.stop:
            if stop and stop in text:
                text, finish, sequence = text[: text.index(stop)], "stop_sequence", stop
        words = act["tokens"] if "tokens" in act and text == "".join(act["tokens"]) else cut(text)
        pieces += [Piece("text", word) for word in words]
    if asked.max_tokens is not None and len(pieces) > asked.max_tokens:
        pieces, finish, sequence = pieces[: asked.max_tokens], "length", None
    usage = act.get("usage") or {}
    return Story(
        pieces,
        finish,
        sequence,
        usage.get("prompt", asked.words),
        usage.get("completion", len(pieces)),
        usage.get("cached", 0),
        usage.get("written", 0),
        usage.get("reasoning", sum(piece.kind == "reasoning" for piece in pieces)),
    )


def spoken(asked: Asked, act: Act) -> str:
    """The text of the answer, after what has been said of it already."""
    if act.get("echo"):
        text = asked.user
    elif act.get("echo_images"):
        text = ", ".join(asked.images) or "no image"
    elif (asked.schema is not None or asked.json) and act.get("honour_schema", True) and "text" not in act:
        text = json.dumps(instance(asked.schema or {"type": "object"}), ensure_ascii=False)
    elif asked.schema is not None and not act.get("honour_schema", True):
        text = act.get("schema_text", "I would rather write a poem.")
    else:
        text = act.get("text") or "".join(act.get("tokens", ())) or TEXT
    if asked.prefill and text.startswith(asked.prefill):
        return str(text[len(asked.prefill) :])
    if asked.partial and text.startswith(asked.partial):
        how = act.get("resume", "exact")
        if how == "over":
            return str(text)
        return str(text[max(0, len(asked.partial) - (how if isinstance(how, int) else 0)) :])
    return str(text)


def cut(text: str) -> list[str]:
    """Words, each with the space before it; together they are the text again."""
    return re.findall(r"\s*\S+|\s+$", text)


def instance(schema: dict[str, Any], root: dict[str, Any] | None = None, depth: int = 0) -> Any:
    """A value that a schema allows; always the same one."""
    root = schema if root is None else root
    if "$ref" in schema:
        found: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return instance(found, root, depth + 1) if depth < 8 else None
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return instance(schema[key][-1 if depth > 6 else 0], root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = (kind[0] if isinstance(kind, list) else kind).lower()
    if kind == "object":
        return {name: instance(one, root, depth + 1) for name, one in schema.get("properties", {}).items()}
    if kind == "array":
        return [instance(schema.get("items", {}), root, depth + 1) for _ in range(max(1, schema.get("minItems", 1)))]
    simple: dict[str, Any] = {"integer": max(7, schema.get("minimum", 7)), "number": 1.5, "boolean": True, "null": None}
    return simple.get(kind, "Käse")


def words_of(*texts: Any) -> int:
    """A count of prompt tokens: words."""
    return max(1, sum(len(str(text).split()) for text in texts))
