"""What can be said of a request beside its messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from corral.dialects.form import ChatRequest, Format, Message, Thinking, ToolChoice
from corral.kit.errors import InvalidRequest
from corral.library.messages import ToolLike, tool_of


class ChatOptions(TypedDict, total=False):
    """All of them may be left out.

    Attributes:
        model: who is asked; the default model without it.
        system: instructions, in front of the messages.
        tools: what the model may call; it calls nothing by itself, the answer has the calls.
        tool_choice: auto, none, required, or a tool's name.
        max_tokens: of the answer.
        effort: how much to think: none, minimal, low, medium or high. thinking_budget: the same in tokens.
        repairs: how often an answer that is not in its form is asked for again, 0 to 5; 2 without it.
        cache: `use` an earlier answer also where answers vary, `refresh` it, or `bypass` the cache.
        idempotency_key: the same answer is brought back for the same key for a day.
        timeout: seconds for the whole answer; then UpstreamTimeout is raised.
        extra: fields of OpenAI's chat that have no name here; they go to providers that speak it.
    """

    model: str | None
    system: str | None
    tools: Sequence[ToolLike]
    tool_choice: str
    parallel_tools: bool
    max_tokens: int
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    seed: int
    stop: str | Sequence[str]
    presence_penalty: float
    frequency_penalty: float
    effort: str
    thinking_budget: int
    repairs: int
    cache: Literal["use", "refresh", "bypass"]
    idempotency_key: str
    timeout: float
    extra: Mapping[str, Any]


_PLAIN = (
    "parallel_tools", "max_tokens", "temperature", "top_p", "top_k", "min_p", "seed", "presence_penalty", "frequency_penalty",
)  # fmt: skip
_CHOICES = ("auto", "none", "required")


def request_of(
    model: str, messages: tuple[Message, ...], form: Format | None, options: ChatOptions, *, stream: bool
) -> ChatRequest:
    """The request that is meant. Raises InvalidRequest naming the option at fault."""
    unknown = set(options) - ChatOptions.__annotations__.keys()
    if unknown:
        name = sorted(unknown)[0]
        raise InvalidRequest(f"{name}: there is no such option.", param=name)
    plain: dict[str, Any] = {name: options[name] for name in _PLAIN if options.get(name) is not None}  # type: ignore[literal-required]
    for name, value in plain.items():
        if not isinstance(value, int | float):
            raise InvalidRequest(f"{name}: must be a number, not {type(value).__name__}.", param=name)
    stop = options.get("stop", ())
    effort, budget = options.get("effort"), options.get("thinking_budget")
    extra = options.get("extra", {})
    continues = messages[-1].role == "assistant"
    return ChatRequest(
        model=model,
        messages=messages,
        continues=continues,
        stream=stream,
        include_usage=True,
        tools=tuple(tool_of(one) for one in options.get("tools", ())),
        tool_choice=_choice(options.get("tool_choice")),
        format=form,
        thinking=Thinking(effort=effort, budget=budget) if effort is not None or budget is not None else None,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        dialect="openai_chat" if extra else "",
        extras=extra,
        **plain,
    )


def _choice(told: str | None) -> ToolChoice | None:
    if told is None:
        return None
    return ToolChoice(told) if told in _CHOICES else ToolChoice("tool", told)  # type: ignore[arg-type]


def headers_of(options: ChatOptions) -> dict[str, str]:
    """What is said around a request."""
    found = {
        "x-corral-repair": str(options["repairs"]) if "repairs" in options else "",
        "x-corral-cache": options.get("cache", ""),
        "idempotency-key": options.get("idempotency_key", ""),
    }
    return {name: value for name, value in found.items() if value}
