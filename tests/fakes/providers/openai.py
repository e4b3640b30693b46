"""OpenAI: /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models and (in `responses`) /v1/responses.

Written from the public API reference: https://platform.openai.com/docs/api-reference
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from typing import Any

from tests.fakes.providers import responses
from tests.fakes.providers.story import Act, Asked, Story, tell, words_of
from tests.fakes.providers.wire import Program, Request, Stream, Whole

CREATED = 1_790_000_000
MODELS = ["gpt-5", "gpt-5-mini", "gpt-4.1", "text-embedding-3-small"]
KNOWN = frozenset(
    [
        "messages",
        "model",
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "modalities",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    ]
)
KINDS = {
    400: ("invalid_request_error", None, "The request is not valid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided: sk-***."),
    403: (
        "invalid_request_error",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests. Please try again in 2s."),
    500: ("server_error", None, "The server had an error while processing your request."),
    503: ("server_error", None, "The engine is currently overloaded, please try again later"),
}


def image_mark(url: str) -> str:
    """An image as it is echoed: its type and the SHA-256 of its bytes, or its address."""
    if not url.startswith("data:"):
        return url
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    return f"{kind} {hashlib.sha256(base64.b64decode(data)).hexdigest()}"


def text_of(content: Any) -> str:
    """The text of a message's content."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or () if part.get("type") == "text")


def read_chat(body: dict[str, Any], *, continues: bool = False) -> Asked:
    """What a chat request asks. `continues`: a last assistant message is gone on with."""
    messages = body["messages"]
    users = [one for one in messages if one["role"] == "user"]
    parts = [part for one in users if isinstance(one.get("content"), list) for part in one["content"]]
    choice = body.get("tool_choice")
    form = body.get("response_format") or {}
    stop = body.get("stop") or []
    last = messages[-1]
    partial = text_of(messages[-2].get("content")) if len(messages) > 1 and messages[-2]["role"] == "assistant" else ""
    return Asked(
        model=body["model"],
        stream=bool(body.get("stream")),
        user=text_of(users[-1]["content"]) if users else "",
        images=[image_mark(part["image_url"]["url"]) for part in parts if part.get("type") == "image_url"],
        tools=[
            (one["function"]["name"], one["function"].get("parameters") or {})
            for one in body.get("tools") or ()
            if one.get("type") == "function"
        ],
        choice=choice["function"]["name"] if isinstance(choice, dict) else choice,
        schema=(form.get("json_schema") or {}).get("schema"),
        json=form.get("type") == "json_object",
        max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        stop=[stop] if isinstance(stop, str) else stop,
        prefill=text_of(last.get("content")) if continues and last["role"] == "assistant" else "",
        partial=partial if last["role"] == "user" else "",
        words=words_of(*(text_of(one.get("content")) for one in messages)),
    )


def usage_of(story: Story, count: int = 1) -> dict[str, Any]:
    """The usage object of chats."""
    completion = story.completion * count
    return {
        "prompt_tokens": story.prompt,
        "completion_tokens": completion,
        "total_tokens": story.prompt + completion,
        "prompt_tokens_details": {"cached_tokens": story.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": story.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def sse(event: Any) -> bytes:
    """An event without a name."""
    return b"data: " + json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def finish_of(story: Story, act: Act) -> str:
    """The protocol's word for the end."""
    return str(act.get("finish") or {"stop_sequence": "stop"}.get(story.finish, story.finish))


def logprob(token: str) -> dict[str, Any]:
    """A token with its probability, and one alternative."""
    one = {"token": token, "logprob": -0.25, "bytes": list(token.encode())}
    return {**one, "top_logprobs": [one]}


class OpenAI(Program):
    """The service."""

    kind = "openai"
    reasoning_field: str | None = None
    strict = True

    def headers(self, status: int) -> dict[str, str]:
        return {"x-request-id": "req_0123456789abcdef", "openai-processing-ms": "12", "openai-version": "2020-10-01"}

    def error(self, status: int, act: Act) -> Any:
        kind, code, message = KINDS.get(status, ("server_error", None, f"Status {status}."))
        if act.get("code") == "insufficient_quota":
            kind, message = (
                "insufficient_quota",
                "You exceeded your current quota, please check your plan and billing details.",
            )
        told = {"message": message, "type": kind, "param": None, "code": code}
        names = {"message": "message", "kind": "type", "code": "code"}
        return {"error": {**told, **{name: act[key] for key, name in names.items() if key in act}}}

    def stream_error(self, act: Act) -> bytes:
        told = self.error(500, act)["error"]
        return sse({"error": {**told, **act.get("error", {})}})

    def answer(self, request: Request, act: Act, script: dict[str, Any]) -> Whole | Stream:
        path, body = request.path.removeprefix("/v1"), request.json
        if self.key(request) is None and self.strict:
            return Whole(self.error(401, {"message": "You didn't provide an API key."}), 401)
        if request.method == "GET":
            return self.models(path, script)
        if not isinstance(body, dict):
            return self.bad("We could not parse the JSON body of your request.")
        if not body.get("model"):
            return self.bad("you must provide a model parameter")
        if path == "/chat/completions":
            return self.chat(body, act)
        if path == "/completions":
            return self.completion(body, act)
        if path == "/embeddings":
            return self.embeddings(body)
        if path in ("/responses", "/responses/input_tokens"):
            return responses.answer(path, body, act)
        return Whole(self.error(404, {"message": f"Invalid URL (POST {request.path})", "code": None}), 404)

    def bad(self, message: str, param: str | None = None, code: str | None = None) -> Whole:
        """A refusal of the request."""
        told = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
        return Whole({"error": told}, 400)

    def models(self, path: str, script: dict[str, Any]) -> Whole:
        """The list, or one of it."""
        names = script.get("list", MODELS)
        rows = [{"id": one, "object": "model", "created": CREATED, "owned_by": "system"} if isinstance(one, str) else one for one in names]  # fmt: skip
        if path == "/models":
            return Whole({"object": "list", "data": rows})
        found = [row for row in rows if f"/models/{row['id']}" == path]
        return Whole(found[0]) if found else Whole(self.error(404, {}), 404)

    def chat(self, body: dict[str, Any], act: Act) -> Whole | Stream:
        """Chats."""
        if not body.get("messages"):
            return self.bad("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
        unknown = [name for name in body if name not in KNOWN]
        if self.strict and unknown:
            return self.bad(f"Unknown parameter: '{unknown[0]}'.", unknown[0], "unknown_parameter")
        if body.get("stream_options") is not None and not body.get("stream"):
            return self.bad(
                "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options"
            )
        asked = read_chat(body, continues=self.continues(act))
        story = tell(asked, act)
        return self.stream(body, story, act) if asked.stream else self.whole(body, story, act)

    def continues(self, act: Act) -> bool:
        """Whether a last assistant message is gone on with; OpenAI's answers begin anew."""
        return bool(act.get("prefill", False))

    def whole(self, body: dict[str, Any], story: Story, act: Act) -> Whole:
        """An answer in one piece."""
        calls = [
            {"id": one[0], "type": "function", "function": {"name": one[1], "arguments": one[2]}}
            for one in story.calls()
        ]
        text, refusal = story.joined("text"), story.joined("refusal")
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text if text or not (calls or refusal) else None,
            "refusal": refusal or None,
            "annotations": [],
        }
        if calls:
            message["tool_calls"] = calls
        if self.reasoning_field and story.joined("reasoning"):
            message[self.reasoning_field] = story.joined("reasoning")
        words = [piece.text for piece in story.pieces if piece.kind == "text"]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": {"content": [logprob(word) for word in words], "refusal": None}
            if body.get("logprobs")
            else None,
            "finish_reason": finish_of(story, act),
        }
        count = body.get("n") or 1
        return Whole(
            {
                "id": act.get("id", "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG"),
                "object": "chat.completion",
                "created": CREATED,
                "model": body["model"],
                "choices": [{**choice, "index": index} for index in range(count)],
                "usage": usage_of(story, count),
                "service_tier": "default",
                "system_fingerprint": "fp_44709d6fcb",
            }
        )

    def stream(self, body: dict[str, Any], story: Story, act: Act) -> Stream:
        """An answer in pieces."""
        wants = (body.get("stream_options") or {}).get("include_usage", False)
        frame = {
            "id": act.get("id", "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG"),
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": body["model"],
            "service_tier": "default",
            "system_fingerprint": "fp_44709d6fcb",
        }

        def event(choice: int, delta: dict[str, Any], finish: str | None = None, probabilities: Any = None) -> bytes:
            one = {"index": choice, "delta": delta, "logprobs": probabilities, "finish_reason": finish}
            return sse({**frame, "choices": [one], **({"usage": None} if wants else {})})

        choices = range(body.get("n") or 1)
        tokens = []
        for piece in story.pieces:
            probabilities = {"content": [logprob(piece.text)], "refusal": None} if body.get("logprobs") and piece.kind == "text" else None  # fmt: skip
            delta = self.delta(piece.kind, piece.text)
            if piece.kind == "tool":
                call: dict[str, Any] = {"index": piece.index, "function": {"arguments": piece.text}}
                if piece.id:
                    call = {"index": piece.index, "id": piece.id, "type": "function", "function": {"name": piece.name, "arguments": ""}}  # fmt: skip
                delta = {"tool_calls": [call]}
            if delta:
                tokens.append(b"".join(event(choice, delta, None, probabilities) for choice in choices))
        tail = [event(choice, {}, finish_of(story, act)) for choice in choices]
        if wants:
            tail.append(sse({**frame, "choices": [], "usage": usage_of(story, len(choices))}))
        return Stream(
            [event(choice, {"role": "assistant", "content": "", "refusal": None}) for choice in choices],
            tokens,
            tail,
            b"data: [DONE]\n\n",
        )

    def delta(self, kind: str, text: str) -> dict[str, Any]:
        """A token; OpenAI's chats do not show reasoning."""
        name = {"text": "content", "refusal": "refusal", "reasoning": self.reasoning_field}.get(kind)
        return {name: text} if name else {}

    def completion(self, body: dict[str, Any], act: Act) -> Whole | Stream:
        """Plain completions."""
        prompt = body["prompt"] if isinstance(body.get("prompt"), str) else json.dumps(body.get("prompt"))
        stop = body.get("stop") or []
        asked = Asked(body["model"], user=prompt, max_tokens=body.get("max_tokens", 16), words=words_of(prompt))
        asked.stop = [stop] if isinstance(stop, str) else stop
        story = tell(asked, act)
        frame = {
            "id": "cmpl-uqkvlQyYK7bGYrRHQ0eXlWi7",
            "object": "text_completion",
            "created": CREATED,
            "model": body["model"],
        }
        usage = {name: value for name, value in usage_of(story).items() if not name.endswith("_details")}

        def choice(text: str, finish: str | None) -> list[dict[str, Any]]:
            return [{"text": text, "index": 0, "logprobs": None, "finish_reason": finish}]

        if not body.get("stream"):
            return Whole({**frame, "choices": choice(story.joined("text"), finish_of(story, act)), "usage": usage})
        tokens = [sse({**frame, "choices": choice(piece.text, None)}) for piece in story.pieces if piece.kind == "text"]
        tail = [sse({**frame, "choices": choice("", finish_of(story, act))})]
        if (body.get("stream_options") or {}).get("include_usage"):
            tail.append(sse({**frame, "choices": [], "usage": usage}))
        return Stream([], tokens, tail, b"data: [DONE]\n\n")

    def embeddings(self, body: dict[str, Any]) -> Whole:
        """A vector for each text: made of its hash."""
        given = body.get("input")
        texts = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
        rows = []
        for index, text in enumerate(texts):
            digest = hashlib.sha256(json.dumps(text).encode()).digest()
            numbers = [byte / 255 for byte in digest[:8]]
            coded = base64.b64encode(struct.pack("<8f", *numbers)).decode()
            vector = coded if body.get("encoding_format") == "base64" else numbers
            rows.append({"object": "embedding", "index": index, "embedding": vector})
        count = words_of(*texts)
        return Whole(
            {
                "object": "list",
                "data": rows,
                "model": body["model"],
                "usage": {"prompt_tokens": count, "total_tokens": count},
            }
        )


PROGRAM = OpenAI()
