"""Anthropic: /v1/messages, /v1/messages/count_tokens and /v1/models.

Written from the public API reference: https://docs.anthropic.com/en/api/messages and .../messages-streaming
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from tests.fakes.providers.story import Act, Asked, Story, tell, words_of
from tests.fakes.providers.wire import Program, Request, Stream, Whole

MODELS = ["claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"]
KNOWN = frozenset(
    [
        "model",
        "messages",
        "max_tokens",
        "container",
        "context_management",
        "inference_geo",
        "mcp_servers",
        "metadata",
        "output_config",
        "output_format",
        "service_tier",
        "speed",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
        "cache_control",
    ]
)
KINDS = {
    400: ("invalid_request_error", "The request is not valid."),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "model: unknown"),
    413: ("request_too_large", "Request exceeds the maximum allowed number of bytes."),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit of 50 requests per minute."),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "The request timed out while processing."),
    529: ("overloaded_error", "Overloaded"),
}
FINISH = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


def text_of(content: Any) -> str:
    """The text of blocks."""
    if isinstance(content, str):
        return content
    return "".join(one.get("text", "") for one in content or () if one.get("type") == "text")


def image_mark(source: dict[str, Any]) -> str:
    """An image as it is echoed."""
    if source["type"] == "url":
        return str(source["url"])
    return f"{source['media_type']} {hashlib.sha256(base64.b64decode(source['data'])).hexdigest()}"


def read(body: dict[str, Any]) -> Asked:
    """What is asked."""
    messages = body["messages"]
    users = [one for one in messages if one["role"] == "user"]
    blocks = [one for user in users if isinstance(user["content"], list) for one in user["content"]]
    choice = body.get("tool_choice") or {}
    form = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    last = messages[-1]
    before = messages[-2] if len(messages) > 1 and last["role"] == "user" else {}
    return Asked(
        model=body["model"],
        stream=bool(body.get("stream")),
        user=text_of(users[-1]["content"]) if users else "",
        images=[image_mark(one["source"]) for one in blocks if one.get("type") == "image"],
        tools=[(one["name"], one.get("input_schema") or {}) for one in body.get("tools") or ()],
        choice={"any": "required", "tool": choice.get("name")}.get(choice.get("type", ""), choice.get("type")),
        schema=form.get("schema"),
        max_tokens=body["max_tokens"],
        stop=body.get("stop_sequences") or [],
        prefill=text_of(last["content"]) if last["role"] == "assistant" else "",
        partial=text_of(before["content"]) if before.get("role") == "assistant" else "",
        words=words_of(text_of(body.get("system")), *(text_of(one["content"]) for one in messages)),
        thinks=(body.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
    )


def sse(event: dict[str, Any]) -> bytes:
    """A named event."""
    return f"event: {event['type']}\ndata: ".encode() + json.dumps(event, ensure_ascii=False).encode() + b"\n\n"


def usage_of(story: Story, output: int) -> dict[str, Any]:
    """Tokens; those of the cache are not among `input_tokens`."""
    return {
        "input_tokens": story.prompt - story.cached - story.written,
        "cache_creation_input_tokens": story.written,
        "cache_read_input_tokens": story.cached,
        "output_tokens": output,
        "service_tier": "standard",
    }


class Anthropic(Program):
    """The service."""

    kind = "anthropic"

    def key(self, request: Request) -> str | None:
        return request.headers.get("x-api-key") or super().key(request)

    def headers(self, status: int) -> dict[str, str]:
        return {"request-id": "req_018EeWyXxfu5pfWkrYcMdjWG", "anthropic-organization-id": "5be2-test"}

    def error(self, status: int, act: Act) -> Any:
        kind, message = KINDS.get(status, ("api_error", f"Status {status}"))
        told = {"type": act.get("kind", kind), "message": act.get("message", message)}
        return {"type": "error", "error": told, "request_id": "req_018EeWyXxfu5pfWkrYcMdjWG"}

    def stream_error(self, act: Act) -> bytes:
        told = {"type": "overloaded_error", "message": "Overloaded", **act.get("error", {})}
        return sse({"type": "error", "error": told})

    def answer(self, request: Request, act: Act, script: dict[str, Any]) -> Whole | Stream:
        body = request.json
        if not self.key(request):
            return Whole(self.error(401, {"message": "x-api-key header is required"}), 401)
        if "anthropic-version" not in request.headers:
            return self.bad("anthropic-version: header is required")
        if request.method == "GET" and request.path == "/v1/models":
            names = script.get("list", MODELS)
            rows = [
                {"type": "model", "id": one, "display_name": one.title(), "created_at": "2026-05-14T00:00:00Z"}
                for one in names
            ]
            return Whole({"data": rows, "has_more": False, "first_id": names[0], "last_id": names[-1]})
        if request.path not in ("/v1/messages", "/v1/messages/count_tokens"):
            return Whole(self.error(404, {"message": "Not Found"}), 404)
        if not isinstance(body, dict):
            return self.bad("The request body is not valid JSON.")
        fault = self.fault(body, counting=request.path.endswith("count_tokens"), act=act)
        if fault:
            return self.bad(fault)
        if request.path.endswith("count_tokens"):
            return Whole({"input_tokens": read({"max_tokens": 1, **body}).words})
        asked = read(body)
        story = tell(asked, {**act, "reasoning": act.get("reasoning", "") if asked.thinks else ""}, "toolu_")
        return self.stream(body, story, act) if asked.stream else self.whole(body, story, act)

    def bad(self, message: str) -> Whole:
        """A refusal of the request."""
        return Whole(self.error(400, {"message": message}), 400)

    def fault(self, body: dict[str, Any], *, counting: bool, act: Act) -> str | None:
        """What the service refuses."""
        unknown = [name for name in body if name not in KNOWN]
        if unknown:
            return f"{unknown[0]}: Extra inputs are not permitted"
        for name in ("model", "messages") if counting else ("model", "max_tokens", "messages"):
            if not body.get(name):
                return f"{name}: Field required"
        for number, message in enumerate(body["messages"]):
            if message["role"] not in ("user", "assistant"):
                return f'messages: Unexpected role "{message["role"]}". Use the top-level system parameter.'
            content = message["content"]
            blocks = content if isinstance(content, list) else []
            if any(one.get("type") == "text" and not one.get("text") for one in blocks):
                return f"messages.{number}: text content blocks must be non-empty"
        last = body["messages"][-1]
        if last["role"] == "assistant":
            if act.get("no_prefill"):
                return "This model does not support assistant message prefill. The conversation must end with a user message."
            if text_of(last["content"]) != text_of(last["content"]).rstrip():
                return "messages: final assistant content cannot end with trailing whitespace"
        known = {block["id"] for one in body["messages"] if isinstance(one["content"], list) for block in one["content"] if block.get("type") == "tool_use"}  # fmt: skip
        for message in body["messages"]:
            for block in message["content"] if isinstance(message["content"], list) else ():
                if block.get("type") == "tool_result" and block["tool_use_id"] not in known:
                    return f"messages: unexpected `tool_use_id` found in `tool_result` blocks: {block['tool_use_id']}."
        return None

    def blocks(self, story: Story) -> list[dict[str, Any]]:
        """The content, in order."""
        made: list[dict[str, Any]] = []
        if story.joined("reasoning"):
            made.append(
                {"type": "thinking", "thinking": story.joined("reasoning"), "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3h"}
            )
        if story.joined("text") or story.joined("refusal"):
            made.append({"type": "text", "text": story.joined("text") + story.joined("refusal")})
        for call, name, arguments in story.calls():
            try:
                given = json.loads(arguments)
            except ValueError:
                given = {}
            made.append({"type": "tool_use", "id": call, "name": name, "input": given})
        return made

    def whole(self, body: dict[str, Any], story: Story, act: Act) -> Whole:
        """An answer in one piece."""
        finish = act.get("finish") or FINISH.get(story.finish, story.finish)
        return Whole(
            {
                "id": act.get("id", "msg_013Zva2CMHLNnXjNJJKqJ2EF"),
                "type": "message",
                "role": "assistant",
                "model": body["model"],
                "content": self.blocks(story),
                "stop_reason": finish,
                "stop_sequence": story.stop_sequence,
                "usage": usage_of(story, story.completion),
            }
        )

    def stream(self, body: dict[str, Any], story: Story, act: Act) -> Stream:
        """An answer in pieces."""
        message = self.whole(body, story, act).body
        start = {**message, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage_of(story, 1)}
        tokens: list[bytes] = []
        closing = b""
        kinds = {"thinking": ("reasoning",), "text": ("text", "refusal"), "tool_use": ("tool",)}
        calls = iter(range(len(story.calls())))
        for index, block in enumerate(message["content"]):
            call = next(calls) if block["type"] == "tool_use" else -1
            words = [
                one.text for one in story.pieces if one.kind in kinds[block["type"]] and (call < 0 or one.index == call)
            ]
            deltas = [self.delta(block["type"], word) for word in words]
            if block["type"] == "thinking":
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
            empty: dict[str, dict[str, Any]] = {
                "thinking": {"thinking": "", "signature": ""},
                "text": {"text": ""},
                "tool_use": {"input": {}},
            }
            opening = sse(
                {"type": "content_block_start", "index": index, "content_block": {**block, **empty[block["type"]]}}
            )
            events = [sse({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas]
            tokens += [closing + opening + events[0], *events[1:]]
            closing = sse({"type": "content_block_stop", "index": index})
        delta = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
        tail = [
            closing,
            sse({"type": "message_delta", "delta": delta, "usage": usage_of(story, story.completion)}),
        ]
        ping = sse({"type": "ping"})
        return Stream(
            [sse({"type": "message_start", "message": start}), ping], tokens, tail, sse({"type": "message_stop"}), ping
        )

    def delta(self, kind: str, text: str) -> dict[str, Any]:
        """A token."""
        if kind == "thinking":
            return {"type": "thinking_delta", "thinking": text}
        if kind == "text":
            return {"type": "text_delta", "text": text}
        return {"type": "input_json_delta", "partial_json": text}


PROGRAM = Anthropic()
