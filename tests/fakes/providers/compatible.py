"""A service that follows OpenAI's API, as one of several vendors does: `"vendor"` of the script says which.

Without one it is lenient, shows thinking as `reasoning_content` and needs no key. openrouter: comments while it waits, `reasoning`
with details, the cost. groq: `x_groq`. mistral: refuses unknown fields with 422, has `prefix`, tells calls whole. vllm:
`continue_final_message`, its own form of errors. together: a list of models without a frame.
"""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.providers.openai import CREATED, OpenAI, sse
from tests.fakes.providers.story import Act, words_of
from tests.fakes.providers.wire import Request, Stream, Whole

MODELS = ["open-model-70b", "open-model-8b"]
MISTRAL = frozenset(
    [
        "model",
        "temperature",
        "top_p",
        "max_tokens",
        "stream",
        "stop",
        "random_seed",
        "messages",
        "response_format",
        "tools",
        "tool_choice",
        "presence_penalty",
        "frequency_penalty",
        "n",
        "prediction",
        "parallel_tool_calls",
        "prompt_mode",
        "safe_prompt",
        "metadata",
    ]
)
VENDORS = ("openrouter", "groq", "mistral", "vllm", "together")


class Compatible(OpenAI):
    """The service."""

    kind = "compatible"
    strict = False
    reasoning_field = "reasoning_content"

    def __init__(self, vendor: str = "") -> None:
        self.vendor = vendor
        if vendor in ("openrouter", "groq"):
            self.reasoning_field = "reasoning"

    def headers(self, status: int) -> dict[str, str]:
        return {}

    def answer(self, request: Request, act: Act, script: dict[str, Any]) -> Whole | Stream:
        vendor = script.get("vendor", "")
        if vendor != self.vendor:
            return Compatible(vendor).answer(request, act, script)
        body = request.json
        if request.path.removeprefix("/v1") == "/rerank" and isinstance(body, dict):
            return self.rerank(body)
        if isinstance(body, dict) and request.path.endswith("/chat/completions"):
            refused = self.refused(body)
            if refused is not None:
                return refused
            act = {**act, "prefill": self.goes_on(body)}
        answer = super().answer(request, act, {"list": MODELS, **script})
        if request.method == "GET" and isinstance(answer, Whole) and answer.status == 200:
            return self.listed(answer)
        return self.decorated(answer) if isinstance(answer, Stream) else answer

    def refused(self, body: dict[str, Any]) -> Whole | None:
        """What this vendor alone refuses."""
        if self.vendor == "mistral":
            wrong = [name for name in body if name not in MISTRAL]
            if wrong:
                told = [{"type": "extra_forbidden", "loc": ["body", wrong[0]], "msg": "Extra inputs are not permitted"}]
                return Whole(
                    {"object": "error", "message": {"detail": told}, "type": "invalid_request_error", "code": None}, 422
                )
        return None

    def goes_on(self, body: dict[str, Any]) -> bool:
        """Whether a last assistant message is gone on with, as the vendor wants it to be said."""
        last = body.get("messages", [{}])[-1]
        if self.vendor == "mistral":
            return bool(last.get("prefix"))
        if self.vendor == "vllm":
            return bool(body.get("continue_final_message")) and body.get("add_generation_prompt") is False
        return self.vendor in ("openrouter", "groq")

    def error(self, status: int, act: Act) -> Any:
        told = super().error(status, act)
        if self.vendor == "vllm":
            return {
                "object": "error",
                "message": told["error"]["message"],
                "type": "BadRequestError",
                "param": None,
                "code": status,
            }
        return told

    def listed(self, answer: Whole) -> Whole:
        """Models, with what the vendor tells of them."""
        told: dict[str, dict[str, Any]] = {
            "openrouter": {
                "name": "Open Model",
                "context_length": 131072,
                "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
                "pricing": {"prompt": "0.0000005", "completion": "0.0000015", "input_cache_read": "0.00000005"},
                "top_provider": {"max_completion_tokens": 16384},
                "supported_parameters": ["tools", "structured_outputs", "reasoning"],
            },
            "groq": {"active": True, "context_window": 131072, "max_completion_tokens": 32768},
            "mistral": {"max_context_length": 32768, "capabilities": {"function_calling": True, "vision": False}},
            "vllm": {"max_model_len": 32768, "root": "org/open-model"},
            "together": {"context_length": 8192, "pricing": {"input": 0.88, "output": 0.88}},
        }
        more = told.get(self.vendor, {})
        rows = [{**row, **more} for row in answer.body["data"]]
        return Whole(rows if self.vendor == "together" else {"object": "list", "data": rows})

    def decorated(self, stream: Stream) -> Stream:
        """The vendor's own ways of streaming."""
        if self.vendor == "openrouter":
            stream.head.insert(0, b": OPENROUTER PROCESSING\n\n")
            stream.ping = b": OPENROUTER PROCESSING\n\n"
        if self.vendor == "mistral":
            stream.tokens = whole_calls(stream.tokens)
        if self.vendor == "groq" and stream.head:
            first = json.loads(stream.head[0].removeprefix(b"data: "))
            stream.head[0] = sse({**first, "x_groq": {"id": "req_01jbd6g2qdfw2adyrt2az8hz4w"}})
        return stream

    def rerank(self, body: dict[str, Any]) -> Whole:
        """Documents in the order of how many words they share with the query."""
        words = set(str(body.get("query", "")).lower().split())
        texts = [one if isinstance(one, str) else one["text"] for one in body["documents"]]
        scores = [len(words & set(text.lower().split())) / max(1, len(words)) for text in texts]
        order = sorted(range(len(texts)), key=lambda at: (-scores[at], at))[: body.get("top_n") or len(texts)]
        rows = [{"index": at, "relevance_score": scores[at], "document": {"text": texts[at]}} for at in order]
        usage = {"prompt_tokens": words_of(*texts), "total_tokens": words_of(*texts)}
        return Whole(
            {"object": "list", "model": body.get("model"), "created": CREATED, "results": rows, "usage": usage}
        )


def whole_calls(tokens: list[bytes]) -> list[bytes]:
    """Tool calls in one piece each, instead of piece by piece."""
    told: list[bytes] = []
    calls: dict[int, tuple[Any, Any]] = {}
    for token in tokens:
        event = json.loads(token.removeprefix(b"data: "))
        delta = event["choices"][0]["delta"]
        if "tool_calls" not in delta:
            told.append(token)
            continue
        piece = delta["tool_calls"][0]
        known = calls.setdefault(piece["index"], (event, piece))[1]
        if known is not piece:
            known["function"]["arguments"] += piece["function"]["arguments"]
    return told + [sse(event) for event, _ in calls.values()]


PROGRAM = Compatible()
