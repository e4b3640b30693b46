"""OpenAI's /v1/responses, from its public reference: items, and events with a type and a number."""

from __future__ import annotations

import itertools
import json
from typing import Any

from tests.fakes.providers.story import Act, Asked, Story, tell, words_of
from tests.fakes.providers.wire import Stream, Whole

CREATED = 1_790_000_000
_PART = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}


def read(body: dict[str, Any]) -> Asked:
    """What is asked."""
    from tests.fakes.providers.openai import image_mark

    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    messages = [one for one in items if one.get("type", "message") == "message"]
    users = [one for one in messages if one["role"] == "user"]
    parts = [part for one in users if isinstance(one["content"], list) for part in one["content"]]
    choice = body.get("tool_choice")
    form = (body.get("text") or {}).get("format") or {}
    before = messages[-2] if len(messages) > 1 and messages[-1]["role"] == "user" else {}
    return Asked(
        model=body["model"],
        stream=bool(body.get("stream")),
        user=text_of(users[-1]["content"]) if users else "",
        images=[image_mark(part["image_url"]) for part in parts if part["type"] == "input_image"],
        tools=[
            (one["name"], one.get("parameters") or {}) for one in body.get("tools") or () if one["type"] == "function"
        ],
        choice=choice.get("name") if isinstance(choice, dict) else choice,
        schema=form.get("schema"),
        json=form.get("type") == "json_object",
        max_tokens=body.get("max_output_tokens"),
        partial=text_of(before["content"]) if before.get("role") == "assistant" else "",
        words=words_of(body.get("instructions") or "", *(text_of(one["content"]) for one in messages)),
    )


def text_of(content: Any) -> str:
    """The text of a message's content."""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def answer(path: str, body: dict[str, Any], act: Act) -> Whole | Stream:
    """The answer."""
    if not body.get("input"):
        told = {"message": "Missing required parameter: 'input'.", "type": "invalid_request_error", "param": "input", "code": "missing_required_parameter"}  # fmt: skip
        return Whole({"error": told}, 400)
    if path.endswith("/input_tokens"):
        return Whole({"object": "response.input_tokens", "input_tokens": read(body).words})
    story = tell(read(body), act)
    whole = response(body, story, act)
    if not body.get("stream"):
        return Whole(whole)
    return stream(whole, story)


def response(body: dict[str, Any], story: Story, act: Act) -> dict[str, Any]:
    """The whole response."""
    output: list[dict[str, Any]] = []
    if story.joined("reasoning"):
        summary = [{"type": "summary_text", "text": story.joined("reasoning")}]
        output.append({"id": "rs_0001", "type": "reasoning", "summary": summary})
    if story.joined("text") or story.joined("refusal") or not story.calls():
        part: dict[str, Any] = {**_PART, "text": story.joined("text")}
        if story.joined("refusal"):
            part = {"type": "refusal", "refusal": story.joined("refusal")}
        message = {"id": "msg_0001", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
        output.append(message)
    for number, (call, name, arguments) in enumerate(story.calls()):
        item = {"id": f"fc_{number:04d}", "type": "function_call", "status": "completed", "arguments": arguments, "call_id": call, "name": name}  # fmt: skip
        output.append(item)
    cut = story.finish == "length"
    return {
        "id": act.get("id", "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b"),
        "object": "response",
        "created_at": CREATED,
        "status": "incomplete" if cut else "completed",
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": None,
        "model": body["model"],
        "output": output,
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None, **(body.get("reasoning") or {})},
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": {"format": {"type": "text"}, **(body.get("text") or {})},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_logprobs": 0,
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": {
            "input_tokens": story.prompt,
            "input_tokens_details": {"cached_tokens": story.cached},
            "output_tokens": story.completion,
            "output_tokens_details": {"reasoning_tokens": story.reasoning},
            "total_tokens": story.prompt + story.completion,
        },
        "user": body.get("user"),
        "metadata": body.get("metadata") or {},
    }


class _Events:
    """Writes events, numbering them."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def __call__(self, kind: str, **fields: Any) -> bytes:
        event = {"type": kind, "sequence_number": next(self._numbers), **fields}
        return (
            f"event: {kind}\ndata: ".encode()
            + json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
            + b"\n\n"
        )


def stream(whole: dict[str, Any], story: Story) -> Stream:
    """The events of a response. What opens and closes an item stands before its first and behind its last token."""
    event = _Events()
    bare = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    head = [event("response.created", response=bare), event("response.in_progress", response=bare)]
    tokens: list[bytes] = []
    closing = b""
    for number, item in enumerate(whole["output"]):
        opening, pieces, ending = _item(event, number, item, story)
        tokens += [closing + opening + pieces[0], *pieces[1:]] if pieces else []
        closing = ending if pieces else closing + opening + ending
    kind = "response.incomplete" if whole["status"] == "incomplete" else "response.completed"
    return Stream(head, tokens, [closing] if closing else [], event(kind, response=whole), ping=b": ping\n\n")


def _item(event: _Events, number: int, item: dict[str, Any], story: Story) -> tuple[bytes, list[bytes], bytes]:
    at = {"item_id": item["id"], "output_index": number}
    done = {"output_index": number, "item": item}
    if item["type"] == "reasoning":
        whole = item["summary"][0]
        opening = event("response.output_item.added", output_index=number, item={**item, "summary": []}) + event(
            "response.reasoning_summary_part.added", **at, summary_index=0, part={**whole, "text": ""}
        )
        words = [piece.text for piece in story.pieces if piece.kind == "reasoning"]
        pieces = [event("response.reasoning_summary_text.delta", **at, summary_index=0, delta=one) for one in words]
        ending = event("response.reasoning_summary_text.done", **at, summary_index=0, text=whole["text"])
        ending += event("response.reasoning_summary_part.done", **at, summary_index=0, part=whole)
        return opening, pieces, ending + event("response.output_item.done", **done)
    if item["type"] == "function_call":
        bare = {**item, "status": "in_progress", "arguments": ""}
        opening = event("response.output_item.added", output_index=number, item=bare)
        index = [call[0] for call in story.calls()].index(item["call_id"])
        words = [one.text for one in story.pieces if one.kind == "tool" and one.index == index and one.text]
        pieces = [event("response.function_call_arguments.delta", **at, delta=one) for one in words]
        ending = event("response.function_call_arguments.done", **at, arguments=item["arguments"])
        return opening, pieces, ending + event("response.output_item.done", **done)
    part = item["content"][0]
    kind = "refusal" if part["type"] == "refusal" else "text"
    name = "refusal" if kind == "refusal" else "output_text"
    empty = {**part, kind: ""}
    opening = event(
        "response.output_item.added", output_index=number, item={**item, "status": "in_progress", "content": []}
    )
    opening += event("response.content_part.added", **at, content_index=0, part=empty)
    words = [one.text for one in story.pieces if one.kind == kind]
    more: dict[str, Any] = {"logprobs": []} if kind == "text" else {}
    pieces = [event(f"response.{name}.delta", **at, content_index=0, delta=one, **more) for one in words]
    ending = event(f"response.{name}.done", **at, content_index=0, **{kind: part[kind]}, **more)
    ending += event("response.content_part.done", **at, content_index=0, part=part)
    return opening, pieces, ending + event("response.output_item.done", **done)
