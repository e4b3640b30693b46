"""Gemini: models/NAME:generateContent, :streamGenerateContent, :countTokens and the list of models.

Written from the public API reference: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, ClassVar

from tests.fakes.providers.story import Act, Asked, Story, tell, words_of
from tests.fakes.providers.wire import Program, Request, Stream, Whole

MODELS = ["gemini-3-pro-preview", "gemini-2.5-flash", "gemini-2.5-flash-lite"]
KNOWN = frozenset(
    [
        "contents",
        "systemInstruction",
        "tools",
        "toolConfig",
        "safetySettings",
        "generationConfig",
        "cachedContent",
        "labels",
    ]
)
CONFIG = frozenset(
    [
        "stopSequences",
        "responseMimeType",
        "responseSchema",
        "responseJsonSchema",
        "responseModalities",
        "candidateCount",
        "maxOutputTokens",
        "temperature",
        "topP",
        "topK",
        "seed",
        "presencePenalty",
        "frequencyPenalty",
        "responseLogprobs",
        "logprobs",
        "thinkingConfig",
        "mediaResolution",
        "speechConfig",
        "enableEnhancedCivicAnswers",
    ]
)
SCHEMA = frozenset(
    [
        "type",
        "format",
        "title",
        "description",
        "nullable",
        "enum",
        "maxItems",
        "minItems",
        "properties",
        "required",
        "minProperties",
        "maxProperties",
        "minLength",
        "maxLength",
        "pattern",
        "example",
        "anyOf",
        "propertyOrdering",
        "default",
        "items",
        "minimum",
        "maximum",
    ]
)
PART = frozenset(
    [
        "text",
        "inlineData",
        "fileData",
        "functionCall",
        "functionResponse",
        "thought",
        "thoughtSignature",
        "executableCode",
    ]
)
STATUS = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "Method doesn't allow unregistered callers."),
    404: ("NOT_FOUND", "models/unknown is not found for API version v1beta, or is not supported for generateContent."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current rate limit. Please retry in 2s."),
    500: ("INTERNAL", "An internal error has occurred."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}
FINISH = {"length": "MAX_TOKENS", "content_filter": "SAFETY"}
SIGNATURE = base64.b64encode(b"a thought that only its maker can read").decode()


def text_of(parts: list[dict[str, Any]]) -> str:
    """The text of parts, thoughts left out."""
    return "".join(part.get("text", "") for part in parts if not part.get("thought"))


def read(model: str, body: dict[str, Any], *, stream: bool) -> Asked:
    """What is asked."""
    contents = body["contents"]
    users = [one for one in contents if one.get("role", "user") == "user"]
    parts = [part for one in users for part in one["parts"]]
    config = body.get("generationConfig") or {}
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    allowed = calling.get("allowedFunctionNames") or []
    mode = {"ANY": allowed[0] if len(allowed) == 1 else "required", "NONE": "none"}.get(calling.get("mode", ""))
    tools = [one for tool in body.get("tools") or () for one in tool.get("functionDeclarations") or ()]
    images = [part["inlineData"] for part in parts if "inlineData" in part]
    last = contents[-1]
    before = contents[-2] if len(contents) > 1 and last.get("role") == "user" else {}
    return Asked(
        model=model,
        stream=stream,
        user=text_of(users[-1]["parts"]) if users else "",
        images=[f"{one['mimeType']} {hashlib.sha256(base64.b64decode(one['data'])).hexdigest()}" for one in images],
        tools=[(one["name"], one.get("parameters") or one.get("parametersJsonSchema") or {}) for one in tools],
        choice=mode,
        schema=config.get("responseSchema") or config.get("responseJsonSchema"),
        json=config.get("responseMimeType") == "application/json",
        max_tokens=config.get("maxOutputTokens"),
        stop=config.get("stopSequences") or [],
        prefill=text_of(last["parts"]) if last.get("role") == "model" else "",
        partial=text_of(before["parts"]) if before.get("role") == "model" else "",
        words=words_of(*(text_of(one["parts"]) for one in contents)),
        thinks=bool((config.get("thinkingConfig") or {}).get("includeThoughts")),
    )


def unknown(schema: Any) -> str | None:
    """A keyword that the service's schemas do not have."""
    if not isinstance(schema, dict):
        return None
    wrong = next((name for name in schema if name not in SCHEMA), None)
    inner = [*schema.get("properties", {}).values(), schema.get("items"), *schema.get("anyOf", ())]
    return wrong or next((found for one in inner if (found := unknown(one))), None)


class Gemini(Program):
    """The service."""

    kind = "gemini"
    refused_key: ClassVar[Act] = {
        "status": 400,
        "body": {
            "error": {
                "code": 400,
                "message": "API key not valid. Please pass a valid API key.",
                "status": "INVALID_ARGUMENT",
                "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}],
            }
        },
    }  # fmt: skip

    def key(self, request: Request) -> str | None:
        return request.headers.get("x-goog-api-key") or request.query.get("key")

    def model(self, request: Request) -> str:
        return request.path.rpartition("/models/")[2].partition(":")[0]

    def error(self, status: int, act: Act) -> Any:
        kind, message = STATUS.get(status, ("UNKNOWN", f"Status {status}"))
        told: dict[str, Any] = {
            "code": status,
            "message": act.get("message", message),
            "status": act.get("kind", kind),
        }
        if status == 429:
            wait = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{act.get('retry_after', 2)}s"}
            told["details"] = [wait]
        return {"error": told}

    def stream_error(self, act: Act) -> bytes:
        told = self.error(503, act)["error"]
        return sse({"error": {**told, **act.get("error", {})}})

    def answer(self, request: Request, act: Act, script: dict[str, Any]) -> Whole | Stream:
        if self.key(request) is None:
            return Whole(self.error(403, {}), 403)
        path = request.path.removeprefix("/v1beta").removeprefix("/v1")
        if request.method == "GET" and path == "/models":
            return self.models(script)
        model, _, method = path.removeprefix("/models/").partition(":")
        if not path.startswith("/models/") or method not in ("generateContent", "streamGenerateContent", "countTokens"):
            return Whole(self.error(404, {"message": "Requested entity was not found."}), 404)
        body = request.json
        if not isinstance(body, dict):
            return self.bad("Invalid JSON payload received.")
        if method == "countTokens":
            body = body.get("generateContentRequest", body)
            body.pop("model", None)
        fault = self.fault(body)
        if fault:
            return self.bad(fault)
        asked = read(model, body, stream=method == "streamGenerateContent")
        if method == "countTokens":
            return Whole(
                {"totalTokens": asked.words, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": asked.words}]}
            )
        if act.get("blocked"):
            told = {"promptFeedback": {"blockReason": act["blocked"]}, "modelVersion": model, "usageMetadata": {"promptTokenCount": asked.words, "totalTokenCount": asked.words}}  # fmt: skip
            return Stream([], [sse(told)], []) if asked.stream else Whole(told)
        story = tell(asked, {**act, "reasoning": act.get("reasoning", "") if asked.thinks else ""})
        if not asked.stream:
            return Whole(self.chunk(asked, story, act, self.parts(story), last=True))
        return self.stream(asked, story, act, as_events=request.query.get("alt") == "sse")

    def bad(self, message: str) -> Whole:
        """A refusal of the request."""
        return Whole(self.error(400, {"message": message}), 400)

    def fault(self, body: dict[str, Any]) -> str | None:
        """What the service refuses."""
        config = body.get("generationConfig") or {}
        wrong = next((name for name in body if name not in KNOWN), None) or next(
            (name for name in config if name not in CONFIG), None
        )
        schemas = [config.get("responseSchema")]
        schemas += [
            one.get("parameters") for tool in body.get("tools") or () for one in tool.get("functionDeclarations") or ()
        ]
        wrong = wrong or next((found for schema in schemas if (found := unknown(schema))), None)
        if not wrong and not body.get("contents"):
            return "* GenerateContentRequest.contents: contents is not specified"
        for content in () if wrong else body["contents"]:
            if content.get("role", "user") not in ("user", "model"):
                return "Please use a valid role: user, model."
            if not content.get("parts"):
                return "* GenerateContentRequest.contents[0].parts: contents.parts must not be empty."
            wrong = wrong or next((name for part in content["parts"] for name in part if name not in PART), None)
        return f'Invalid JSON payload received. Unknown name "{wrong}": Cannot find field.' if wrong else None

    def models(self, script: dict[str, Any]) -> Whole:
        """The list."""
        rows = [
            {
                "name": f"models/{one}",
                "version": "001",
                "displayName": one.title(),
                "inputTokenLimit": 1048576,
                "outputTokenLimit": 65536,
                "supportedGenerationMethods": ["generateContent", "countTokens"],
                "thinking": True,
            }
            for one in script.get("list", MODELS)
        ]
        embedding = {"name": "models/gemini-embedding-001", "supportedGenerationMethods": ["embedContent"]}
        return Whole({"models": [*rows, embedding]})

    def parts(self, story: Story) -> list[dict[str, Any]]:
        """The content, in order."""
        made: list[dict[str, Any]] = []
        if story.joined("reasoning"):
            made.append({"text": story.joined("reasoning"), "thought": True})
        if story.joined("text") or story.joined("refusal"):
            made.append({"text": story.joined("text") + story.joined("refusal")})
        for number, (_, name, arguments) in enumerate(story.calls()):
            part: dict[str, Any] = {"functionCall": {"name": name, "args": json.loads(arguments or "{}")}}
            if not number:
                part["thoughtSignature"] = SIGNATURE
            made.append(part)
        return made

    def chunk(
        self, asked: Asked, story: Story, act: Act, parts: list[dict[str, Any]], *, last: bool, said: int | None = None
    ) -> dict[str, Any]:
        """A response, whole or one of a stream."""
        output = story.completion - story.reasoning if said is None else said
        usage: dict[str, Any] = {
            "promptTokenCount": story.prompt,
            "candidatesTokenCount": output,
            "totalTokenCount": story.prompt + output + story.reasoning,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": story.prompt}],
        }
        if story.cached:
            usage["cachedContentTokenCount"] = story.cached
        if story.reasoning:
            usage["thoughtsTokenCount"] = story.reasoning
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
        if last:
            candidate["finishReason"] = act.get("finish") or FINISH.get(story.finish, "STOP")
        version = {"modelVersion": asked.model, "responseId": act.get("id", "mAitaLmkHPPlz7IPvtfUqQ4")}
        return {"candidates": [candidate], "usageMetadata": usage, **version}

    def stream(self, asked: Asked, story: Story, act: Act, *, as_events: bool) -> Stream:
        """An answer in pieces; calls come whole. Without `alt=sse` it is one JSON array."""
        parts = [
            {"text": piece.text, **({"thought": True} if piece.kind == "reasoning" else {})}
            for piece in story.pieces
            if piece.kind != "tool"
        ]
        parts += [part for part in self.parts(story) if "functionCall" in part]
        chunks = [self.chunk(asked, story, act, [part], last=False, said=at + 1) for at, part in enumerate(parts)]
        end = self.chunk(asked, story, act, [{"text": ""}], last=True)
        if as_events:
            return Stream([], [sse(chunk) for chunk in chunks], [sse(end)], ping=b": ping\r\n\r\n")
        pieces = [(b"[" if not at else b",") + json.dumps(chunk).encode() for at, chunk in enumerate([*chunks, end])]
        return Stream([], pieces[:-1], pieces[-1:], b"]", b"\n", "application/json")


def sse(event: Any) -> bytes:
    """An event."""
    return b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\r\n\r\n"


PROGRAM = Gemini()
