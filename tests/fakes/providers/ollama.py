"""Ollama: /api/chat, /api/generate, /api/embed, /api/tags, /api/show, /api/ps, /api/version, and OpenAI's paths below /v1.

Written from the public API reference: https://docs.ollama.com/api
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from tests.fakes.providers.openai import OpenAI
from tests.fakes.providers.story import Act, Asked, Story, tell, words_of
from tests.fakes.providers.wire import Program, Request, Stream, Whole

MODELS = ["llama3.2:latest", "qwen3:8b", "gemma3:4b"]
AT = "2026-11-21T10:00:00.123456789Z"
SECOND = 1_000_000_000


class _OpenAIPaths(OpenAI):
    """What it offers below /v1."""

    strict = False
    reasoning_field = "reasoning"

    def continues(self, act: Act) -> bool:
        return True


def image_mark(data: str) -> str:
    """An image as it is echoed: what its first bytes say, and its hash."""
    content = base64.b64decode(data)
    kind = "image/png" if content.startswith(b"\x89PNG") else "image/jpeg"
    return f"{kind} {hashlib.sha256(content).hexdigest()}"


def read(body: dict[str, Any]) -> Asked:
    """What a chat or a generation asks."""
    messages = body.get("messages")
    if messages is None:
        messages = [{"role": "user", "content": body.get("prompt", ""), "images": body.get("images") or []}]
    options = body.get("options") or {}
    users = [one for one in messages if one["role"] == "user"]
    last = messages[-1]
    before = messages[-2] if len(messages) > 1 and last["role"] == "user" else {}
    form = body.get("format")
    predict = options.get("num_predict", -1)
    stop = options.get("stop") or []
    return Asked(
        model=body["model"],
        stream=body.get("stream", True),
        user=users[-1]["content"] if users else "",
        images=[image_mark(one) for user in users for one in user.get("images") or ()],
        tools=[(one["function"]["name"], one["function"].get("parameters") or {}) for one in body.get("tools") or ()],
        schema=form if isinstance(form, dict) else None,
        json=form == "json",
        max_tokens=predict if predict >= 0 else None,
        stop=[stop] if isinstance(stop, str) else stop,
        prefill=last["content"] if last["role"] == "assistant" else "",
        partial=before.get("content", "") if before.get("role") == "assistant" else "",
        words=words_of(*(one.get("content", "") for one in messages)),
        thinks=bool(body.get("think", False)),
    )


class Ollama(Program):
    """The server."""

    kind = "ollama"

    def error(self, status: int, act: Act) -> Any:
        messages = {404: 'model "unknown" not found, try pulling it first', 429: "too many requests", 503: "server busy, please try again.  maximum pending requests exceeded"}  # fmt: skip
        return {"error": act.get("message", messages.get(status, f"status {status}"))}

    def stream_error(self, act: Act) -> bytes:
        told = act.get("error", {}).get("message", "an error was encountered while running the model: unexpected EOF")
        return json.dumps({"error": told}).encode() + b"\n"

    def answer(self, request: Request, act: Act, script: dict[str, Any]) -> Whole | Stream:
        path, body = request.path, request.json
        if path.startswith("/v1/"):
            return _OpenAIPaths().answer(request, act, {"list": MODELS, **script})
        if request.method == "GET":
            return self.told(path, script)
        if not isinstance(body, dict) or not body.get("model"):
            return Whole({"error": "model is required"}, 400)
        if path == "/api/embed":
            return self.embed(body)
        if path == "/api/show":
            details = {"family": "llama", "parameter_size": "3.2B", "quantization_level": "Q4_K_M"}
            return Whole(
                {
                    "modelfile": "",
                    "details": details,
                    "model_info": {"llama.context_length": 131072},
                    "capabilities": ["completion", "tools"],
                }
            )
        if path not in ("/api/chat", "/api/generate"):
            return Whole(b"404 page not found", 404, {"content-type": "text/plain"})
        chat = path == "/api/chat"
        if chat and not body.get("messages"):
            frame = {"model": body["model"], "created_at": AT, "message": {"role": "assistant", "content": ""}}
            return Whole({**frame, "done": True, "done_reason": "load"})
        for message in body.get("messages") or ():
            if not isinstance(message.get("content", ""), str):
                return Whole(
                    {
                        "error": "json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type string"
                    },
                    400,
                )
            for call in message.get("tool_calls") or ():
                if not isinstance(call["function"]["arguments"], dict):
                    return Whole({"error": "json: cannot unmarshal string into Go struct field arguments"}, 400)
        asked = read(body)
        story = tell(asked, {**act, "reasoning": act.get("reasoning", "") if asked.thinks else ""})
        return (
            self.stream(asked, story, act, chat=chat)
            if asked.stream
            else Whole(self.whole(asked, story, act, chat=chat))
        )

    def told(self, path: str, script: dict[str, Any]) -> Whole:
        """What can be looked up."""
        if path == "/api/version":
            return Whole({"version": "0.12.11"})
        if path == "/":
            return Whole(b"Ollama is running", 200, {"content-type": "text/plain"})
        if path not in ("/api/tags", "/api/ps"):
            return Whole(b"404 page not found", 404, {"content-type": "text/plain"})
        details = {"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"], "parameter_size": "3.2B", "quantization_level": "Q4_K_M"}  # fmt: skip
        rows = [
            {"name": one, "model": one, "modified_at": AT, "size": 2019393189, "digest": "a" * 64, "details": details}
            for one in script.get("list", MODELS)
        ]
        return Whole({"models": rows if path == "/api/tags" else []})

    def embed(self, body: dict[str, Any]) -> Whole:
        """Vectors made of hashes."""
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        vectors = [[byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:8]] for text in texts]
        return Whole(
            {
                "model": body["model"],
                "embeddings": vectors,
                "total_duration": SECOND,
                "load_duration": 1,
                "prompt_eval_count": words_of(*texts),
            }
        )

    def message(self, *, chat: bool, text: str = "", thinking: str = "", calls: Any = None) -> dict[str, Any]:
        """A piece of an answer, or all of it."""
        if not chat:
            return {"response": text, **({"thinking": thinking} if thinking else {})}
        more = {**({"thinking": thinking} if thinking else {}), **({"tool_calls": calls} if calls else {})}
        return {"message": {"role": "assistant", "content": text, **more}}

    def calls(self, story: Story) -> list[dict[str, Any]]:
        """Tool calls, with their arguments as objects."""
        made = enumerate(story.calls())
        return [
            {"id": call, "function": {"index": at, "name": name, "arguments": json.loads(given or "{}")}}
            for at, (call, name, given) in made
        ]

    def end(self, asked: Asked, story: Story, act: Act) -> dict[str, Any]:
        """What the last line tells."""
        return {
            "done": True,
            "done_reason": act.get("finish") or ("length" if story.finish == "length" else "stop"),
            "total_duration": 2 * SECOND,
            "load_duration": SECOND // 10,
            "prompt_eval_count": story.prompt,
            "prompt_eval_duration": SECOND // 2,
            "eval_count": story.completion,
            "eval_duration": SECOND,
        }

    def whole(self, asked: Asked, story: Story, act: Act, *, chat: bool) -> dict[str, Any]:
        """An answer in one piece."""
        said = self.message(
            chat=chat,
            text=story.joined("text") + story.joined("refusal"),
            thinking=story.joined("reasoning"),
            calls=self.calls(story),
        )
        return {"model": asked.model, "created_at": AT, **said, **self.end(asked, story, act)}

    def stream(self, asked: Asked, story: Story, act: Act, *, chat: bool) -> Stream:
        """An answer in lines; tool calls come whole, in one."""
        frame = {"model": asked.model, "created_at": AT}

        def line(**more: Any) -> bytes:
            return json.dumps({**frame, **more}, ensure_ascii=False).encode() + b"\n"

        tokens = []
        for piece in story.pieces:
            if piece.kind != "tool":
                thinking = piece.kind == "reasoning"
                said = (
                    self.message(chat=chat, thinking=piece.text)
                    if thinking
                    else self.message(chat=chat, text=piece.text)
                )
                tokens.append(line(**said, done=False))
        if story.calls():
            tokens.append(line(**self.message(chat=chat, calls=self.calls(story)), done=False))
        tail = line(**self.message(chat=chat), **self.end(asked, story, act))
        return Stream([], tokens, [], tail, b"", "application/x-ndjson")


PROGRAM = Ollama()
